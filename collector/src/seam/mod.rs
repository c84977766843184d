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
//! the file with every 64 that follow each other among the captured ones, where one match has to be the only one. Lines
//! that repeat themselves match more than once; then both sides have to be still for a moment, which makes their ends the
//! same place. A line in the file is never older than its capture: that tells an old line from a new one that looks like it.
//!
//! **Back over a gap.** The file is read from the last [`Anchor`] on: a line of which it is known where it stands in the
//! file. What was delivered since then is passed over, again as a set.
//!
//! Pure: reading files, and making lines of their bytes, is for the caller.
//!
//! [`LineKey`]: crate::record::LineKey

mod delivered;
mod held;
mod metrics;
mod reading;
mod state;
#[cfg(test)]
mod tests;
mod trail;

use std::time::Duration;

pub use metrics::Metrics;
pub use state::{Anchor, Seam, Seen};

/// Bounds of a seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of captured lines that wait for the seam, per stream; the oldest make room. The file lags behind by what a
    /// pipe and the runtime's buffers hold, which is less than 128 KiB as a rule and 1 MiB for Docker's non-blocking mode.
    /// Default: 2 MiB.
    pub held_bytes: usize,
    /// Lines since the last anchor whose keys are kept, 8 bytes each. Those before them are passed over by their number
    /// when a gap is filled. Default: 65 536.
    pub trail_lines: usize,
    /// How long both sides have to be still to be at the same place. Default: 250 ms.
    pub settle: Duration,
    /// How much a log's clock may be behind the probe's: both read the node's, the probe's is compared with it every
    /// second. Default: 20 ms.
    pub clock_slack: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            held_bytes: 2 << 20,
            trail_lines: 65_536,
            settle: Duration::from_millis(250),
            clock_slack: Duration::from_millis(20),
        }
    }
}
