//! Log files that runtimes write → entries. Not: joining entries to lines, or choosing between a file and the probe.
//!
//! A container's [`Log`] consists of *generations*: rotation renames or unlinks its file and begins another one, truncation
//! begins it anew. A [`Watcher`] sees that at once and opens each new generation, so that nothing is lost when its reader
//! is late; the reader goes through them in order and learns exactly what could not be kept. [`Place`](crate::record::Place)
//! says where in a log, across restarts, whatever became of the file's name.
//!
//! ```text
//! directory ─ inotify → Watcher ─ generations → Log → Entry
//!             slow look ─┘                      ↑ Place
//! ```
//!
//! **Who is trusted.** The directories of the runtimes are root's. What stands in a log is the container's, so a record is
//! checked and bounded; what is not of the log's format is counted and never handed on. Files inside a container are opened
//! by [`beneath::open_in_root`] only.
//!
//! **Memory**: some blocks for all logs together, and 256 bytes for each generation.

pub mod beneath;
mod block;
mod decode;
mod discovery;
mod entry;
mod file;
mod generation;
mod hub;
mod locate;
mod log;
mod metrics;
mod packed;
mod rotation;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod watcher;

use std::io;
use std::path::PathBuf;

pub use decode::{Decoded, Format, Invalid};
pub use entry::{Entry, Lost, Read, Sought};
pub use locate::{Located, LogFile, containers, is_gone, locate};
pub use log::Log;
pub use metrics::Metrics;
pub use settings::Settings;
pub use watcher::Watcher;

/// Why a log cannot be watched or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The watch of log files could not be started.
    #[error("failed to start watching log files: see `fs.inotify.max_user_instances`")]
    Watch {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A log has no file that can be opened.
    #[error("failed to open log `{path}`")]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file of a log could not be read.
    #[error("failed to read log `{path}`")]
    Read {
        /// Which log.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}
