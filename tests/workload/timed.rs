//! How long calls take, for who compares that with and without a probe.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Instant;

use rustix::process::getppid;
use rustix::stdio::{stderr, stdout};

use super::ways::write_once;

/// Each is the best of so many rounds: what else runs on the machine only adds.
const ROUNDS: usize = 7;
/// Calls of a round; what they write fits into a pipe.
const CALLS: usize = 50;
/// Rounds are made of so many, with what was written read in between.
const BATCHES: usize = 40;

/// Nanoseconds of a call that does not write, of a write to another pipe, and of lines of 100 and 1000 bytes to stdout, which is
/// a pipe that nobody reads meanwhile; to stderr.
pub(crate) fn timed() -> io::Result<()> {
    let mut own = File::open("/proc/self/fd/1")?;
    let (mut reader, writer) = io::pipe()?;
    let nanos = [
        best(
            || {
                let _parent = getppid();
                Ok(())
            },
            || Ok(()),
        )?,
        best(
            || write_once(&writer, &[b'x'; 100]),
            || reader.read_exact(&mut vec![0; 100 * CALLS]),
        )?,
        best(|| write_once(stdout(), &[b'x'; 100]), || own.read_exact(&mut vec![0; 100 * CALLS]))?,
        best(
            || write_once(stdout(), &[b'x'; 1000]),
            || own.read_exact(&mut vec![0; 1000 * CALLS]),
        )?,
    ];
    write_once(stderr(), nanos.map(|nanos| nanos.to_string()).join(" ").as_bytes())
}

/// Nanoseconds of a call.
fn best(
    mut call: impl FnMut() -> io::Result<()>,
    mut clear: impl FnMut() -> io::Result<()>,
) -> io::Result<u128> {
    let mut best = u128::MAX;
    for _ in 0..ROUNDS {
        let mut nanos = 0;
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..CALLS {
                call()?;
            }
            nanos += start.elapsed().as_nanos();
            clear()?;
        }
        best = best.min(nanos / (BATCHES * CALLS) as u128);
    }
    Ok(best)
}
