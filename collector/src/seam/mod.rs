//! Two readings of one stream → one stream of lines, numbered.
//!
//! What a container writes to stdout and stderr is had twice: by capture, at once, and from its runtime's log file, a
//! moment later. A [`Seam`] says which of them a stream's lines come from, and goes over from one to the other without a
//! gap and without a line twice:
//!
//! ```text
//!             bytes were lost, or none were captured before
//!   capture ───────────────────────────────────────────────→ file
//!   (live)  ←───────────────────────────────────────────────  (captured lines wait)
//!             the file's last lines are found among those that wait
//! ```
//!
//! The file is right by itself: a stream that never finds its seam is read from there for good, and nothing is lost.
//!
//! **How lines are compared.** By [`LineKey`], never by time or by bytes: json-file replaces what is not UTF-8, and two
//! writers' lines may stand in another order in the pipe than in the ring. So *sets* of lines are compared: the last 64 of
//! the file with every 64 that follow each other among the captured ones, where one match has to be the only one, and other
//! places the less like it the farther they are. A file that is behind the first captured line may end with lines that
//! only look like captured ones: so capture has to be longer than the file can be behind, or both sides still for a moment.
//! Lines that repeat themselves have to be still for longer. And a line in the file is never older than its capture.
//!
//! **Back over a gap.** The file is read from the last [`Anchor`] on: a line of which it is known where it stands in the
//! file. What was delivered since then is passed over, again as a set.
//!
//! **What does not hold.**
//! - A runtime that stalls for longer than [`Settings::settle`] (8 times that for lines that repeat themselves) in the midst
//!   of lines that are the same, and were written within [`Settings::clock_slack`] of each other, looks as if it were done:
//!   those that it has yet to write may be missing.
//! - A file that is behind for good when its stream ends ([`Seam::finish`]): lines that repeat themselves may be taken for
//!   those in the file, captured ones that made room are missing, and one that was exchanged with another at the file's end
//!   may come twice.
//! - Lines that were exchanged have each other's number when they are delivered again.
//! - Lines that repeat themselves and stand exchanged right where a place in the file is noted: it may be one line off.
//! - Lines that are on their way to the log while the clock is set back look older there: a stream that ends before its seam
//!   is found gives them twice.
//! - With less than 8 keys kept ([`Settings::trail_lines`]), an exchange where a gap begins gives one line twice, not the other.
//!
//! Pure: reading files, and making lines of their bytes, is for the caller.
//!
//! [`LineKey`]: crate::record::LineKey

mod delivered;
mod handed;
mod held;
mod metrics;
mod reading;
mod state;
#[cfg(test)]
mod tests;
mod trail;
mod window;

use std::time::Duration;

pub use metrics::Metrics;
pub use state::{Anchor, Seam, Seen};

/// A runtime that stalls looks like one that has nothing to do: lines that repeat themselves do not tell them apart.
const RESTS: u32 = 8;

/// After so long nothing is on its way any more.
const SLEEPS: u32 = 80;

/// Lines of each side that are compared at most.
const LINES: usize = 16_384;

/// Bounds of a seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of captured lines that wait for the seam, per stream, 16 384 lines at most; the oldest make room. The file lags
    /// behind by what a pipe and the runtime's buffers hold, which is less than 128 KiB as a rule and 1 MiB for Docker's
    /// non-blocking mode.
    /// Default: 512 KiB.
    pub held_bytes: usize,
    /// Lines since the last anchor whose keys are kept, 8 bytes each. Those before them are passed over by their number
    /// when a gap is filled. Default: 65 536.
    pub trail_lines: usize,
    /// Bytes that the log file may be behind: what the pipe and the runtime hold. Default: 128 KiB.
    pub lag_bytes: usize,
    /// How long both sides have to be still to be at the same place; 8 times as long if the last lines repeat
    /// themselves. Default: 250 ms.
    pub settle: Duration,
    /// How much a log's clock may be behind the probe's: both read the node's, the probe's is compared with it every
    /// second. Default: 20 ms.
    pub clock_slack: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            held_bytes: 512 << 10,
            trail_lines: 65_536,
            lag_bytes: 128 << 10,
            settle: Duration::from_millis(250),
            clock_slack: Duration::from_millis(20),
        }
    }
}
