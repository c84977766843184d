//! Bytes of a stream → lines. Not: joining lines to events, or looking at what a line says.
//!
//! A newline ends a line; everything else is a byte of it, a carriage return too. An empty line is a line. What lies
//! whole in one chunk is passed on from there without a copy; only a line that is *open* at a chunk's end is copied.
//!
//! **Whose bytes continue an open line.** Many processes may write to one stream. If the open line came of a short write,
//! whoever writes next continues it: `printf 'checking… '; /bin/check` is one line. If it came of a write of a block or
//! more, a stdio buffer was flushed in mid-line, and the line waits for its own process, so that workers with
//! block-buffered output do not shred each other's lines. While a write of several chunks is under way its line waits for
//! its own thread. One line at a time is open to all; a second one waits for its own process instead.
//! [`Partial`] forces either rule.
//!
//! **Too long.** A line is emitted with its first `max_bytes` as soon as it has more; the rest up to its newline, or until
//! it is idle, is discarded and counted.
//!
//! **Loss.** What was lost before a chunk may have held newlines or not, and may have been anyone's. So the line that is
//! open to all and those of the chunk's process end there, truncated; the chunk's first line counts as truncated as well;
//! lines that wait for other processes stay open, and count as truncated when they end. Lines may thus be marked that the
//! loss spared; a line of another process whose beginning was lost, and of which nothing was open, is not known of.
//!
//! **Memory** of a stream: `max_bytes × (1 + max_partial_writers)`, and nothing while no line is open.

mod assembler;
mod metrics;
mod open_line;
mod split;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use assembler::Assembler;
pub use metrics::Metrics;

/// A write of at least this many bytes counts as a flushed block: glibc and Go's `bufio` buffer 4 KiB for a pipe, Python
/// and the JVM 8 KiB. musl's 1 KiB is below it: for block-buffered workers on musl, set [`Partial::PerWriter`].
pub const BLOCK_BYTES: u32 = 4096;

/// How lines are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most bytes of a line that are kept, its newline not counted. With 0 only empty lines are whole.
    pub max_bytes: usize,
    /// An open line is emitted as it is when nobody has continued it for this long.
    pub idle_flush: Duration,
    /// Whose bytes continue an open line.
    pub partial: Partial,
    /// The most lines of a stream that wait for their own process. When it is passed, the one that has waited longest is
    /// emitted as it is. With 0 such lines are emitted at once.
    pub max_partial_writers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 10,
            idle_flush: Duration::from_secs(1),
            partial: Partial::Auto,
            max_partial_writers: 32,
        }
    }
}

/// Whose bytes continue an open line. Chunks of one write are never torn apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// Anyone's after a write shorter than [`BLOCK_BYTES`], else its own process's. In [`Stream::Daemon`], where processes
    /// write to different objects, always its own process's.
    ///
    /// [`Stream::Daemon`]: crate::record::Stream::Daemon
    Auto,
    /// Anyone's: lines come in the order of the bytes in the pipe.
    Shared,
    /// Its own process's.
    PerWriter,
}
