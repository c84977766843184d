//! x
fn main(){ let t=std::time::Instant::now(); for p in collector::capture::preflight(&collector::capture::Settings::default()) { println!("{p:?} {:?}", t.elapsed()); if let Err(e)=p.outcome { let mut e: &dyn std::error::Error=&e; loop { println!("{e}"); match e.source() { Some(s)=>e=s, None=>break } } } } }
