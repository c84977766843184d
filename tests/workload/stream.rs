//! What the benchmarks write: lines of one size, at a given pace, each with the time at which it was written.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::stdio::stdout;
use rustix::time::{ClockId, clock_gettime};

use super::body;
use super::ways::write_once;

/// With its newline.
const LINE_BYTES: usize = 200;
/// Digits of the nanoseconds since the epoch that a line begins with.
const STAMP_DIGITS: usize = 20;

/// `count` lines after somebody has opened `gate` for writing, then waits for a signal. `rate` lines a second; 0: as fast
/// as it can.
pub(crate) fn stream(gate: &str, count: u64, rate: u64) -> io::Result<()> {
    let mut line = [b'x'; LINE_BYTES];
    line[STAMP_DIGITS] = b' ';
    line[LINE_BYTES - 1] = b'\n';
    drop(File::open(gate)?);
    let mut pace = Pace::new(rate);
    for _ in 0..count {
        if let Some(pace) = &mut pace {
            pace.wait();
        }
        stamp(&mut line);
        write_once(stdout(), &line)?;
    }
    loop {
        thread::park();
    }
}

/// Lines 1 to `count` of `seed`, `rate` a second.
pub(crate) fn rated(count: u64, rate: u64, seed: u64) -> io::Result<()> {
    let mut pace = Pace::new(rate);
    for number in 1..=count {
        if let Some(pace) = &mut pace {
            pace.wait();
        }
        write_once(stdout(), &[&body::line(seed, number)[..], b"\n"].concat())?;
    }
    Ok(())
}

/// Lines 1 and up of `seed`, `rate` a second; after each its number as 8 bytes at the beginning of `path`.
pub(crate) fn noted(path: &str, rate: u64, seed: u64) -> io::Result<()> {
    let note = File::options().write(true).create(true).truncate(false).open(path)?;
    let mut pace = Pace::new(rate);
    for number in 1_u64.. {
        if let Some(pace) = &mut pace {
            pace.wait();
        }
        write_once(stdout(), &[&body::line(seed, number)[..], b"\n"].concat())?;
        note.write_all_at(&number.to_le_bytes(), 0)?;
    }
    Ok(())
}

/// Puts the time in front of the line.
fn stamp(line: &mut [u8; LINE_BYTES]) {
    let now = clock_gettime(ClockId::Realtime);
    let mut nanos = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    for digit in line[..STAMP_DIGITS].iter_mut().rev() {
        *digit = b'0' + (nanos % 10) as u8;
        nanos /= 10;
    }
}

/// When the next line is due.
struct Pace {
    period: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: u64) -> Option<Self> {
        let period = Duration::from_nanos(1_000_000_000_u64.checked_div(rate)?);
        // A phase of its own, so that many writers do not write in step.
        let phase = RandomState::new().hash_one(0) % period.as_nanos().max(1) as u64;
        Some(Self { period, next: Instant::now() + Duration::from_nanos(phase) })
    }

    fn wait(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next += self.period;
    }
}
