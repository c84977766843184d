//! What this kernel and these rights allow, as a value. It loads and attaches for real, then lets go.

use super::{Backend, Capture, Error, Metrics, Settings};

/// The result of one try.
#[derive(Debug)]
pub struct Preflight {
    /// The backend that was tried.
    pub backend: Backend,
    /// Whether it loads, attaches, and sees a write of this process.
    pub outcome: Result<(), Error>,
}

/// Tries each backend, the best one first.
pub fn preflight(settings: &Settings) -> Vec<Preflight> {
    let outcome = Capture::start(settings, Metrics::default()).map(drop);
    vec![Preflight { backend: Backend::Syscall, outcome }]
}
