//! One collector at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Name of the file that tells who holds the lock.
const HOLDER: &str = "pid";

/// How long to wait before it is looked again whether the other collector is gone: `flock` knows no deadline.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why the state directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, and cannot be made.
    #[error("failed to create the state directory `{}`: {source}; make it, or name another as `state.directory`", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be opened, or is none.
    #[error("failed to open the state directory `{}`: {source}; name another as `state.directory`", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another collector has it.
    #[error(
        "the state directory `{}` is in use by {}; stop that collector, or give each its own as `state.directory`",
        path.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other one's process id, in its own pid namespace; none when it could not leave it.
        holder: Option<u32>,
    },
    /// The file system does not lock.
    #[error("failed to lock the state directory `{}`: {source}; use a local file system", path.display())]
    Lock {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Opens the directory and locks it, making it first where it is missing. The directory itself is locked, not a file in it:
/// so that a read-only one can be, and nobody can delete the lock.
pub(super) fn try_lock(path: &Path) -> Result<File, Error> {
    if let Err(source) = DirBuilder::new().recursive(true).mode(0o700).create(path)
        && source.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(Error::Create { path: path.to_owned(), source });
    }
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits() as i32)
        .open(path)
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(Error::InUse { path: path.to_owned(), holder: holder(path) });
        }
        Err(errno) => return Err(Error::Lock { path: path.to_owned(), source: errno.into() }),
    }
    // It only makes another's message better, and where this fails, storing will say so.
    let _unnamed = std::fs::write(path.join(HOLDER), format!("{}\n", std::process::id()));
    Ok(directory)
}

/// As [`try_lock`], and waits up to `patience` while another collector holds it.
pub(super) fn lock(path: &Path, patience: Duration) -> Result<File, Error> {
    let since = Instant::now();
    loop {
        let result = try_lock(path);
        let left = patience.saturating_sub(since.elapsed());
        if !matches!(result, Err(Error::InUse { .. })) || left.is_zero() {
            return result;
        }
        std::thread::sleep(LOOK_AGAIN.min(left));
    }
}

fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path.join(HOLDER)).ok()?.trim_end().parse().ok()
}
