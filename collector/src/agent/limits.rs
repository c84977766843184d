//! What the system allows the process.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Allows as many open files as the process may allow itself: each log takes some.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
