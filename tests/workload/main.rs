//! [`workload`] as a program of its own, for the images of the end-to-end tests.

#[path = "mod.rs"]
mod workload;

use std::io;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    workload::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
