//! Where in a log: which file, and how many bytes of it.

use serde::{Deserialize, Serialize};

/// Which file, whatever it is called: rotation renames files, and inodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity {
    /// `st_dev`
    pub device: u64,
    /// `st_ino`
    pub inode: u64,
    /// When the file was made (`statx`, `STATX_BTIME`), in nanoseconds since the epoch; not every file system knows.
    pub birth_ns: Option<u64>,
    /// Its first bytes.
    pub fingerprint: Fingerprint,
}

/// A hash of a file's first bytes: of as many as there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes were hashed, at most 256. A file that grows is compared by these.
    pub length_bytes: u16,
    /// 64 bits of XXH3.
    pub hash: u64,
}

/// A position in a log that may consist of several files, of which each was the newest once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// In which file.
    pub file: FileIdentity,
    /// How many of its bytes are before the position.
    pub offset_bytes: u64,
}

/// A position in a log that is open: cheaper than a [`Place`], and ordered. It means nothing to another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cut {
    /// Which of the log's files, in the order in which they were begun.
    pub generation: u64,
    /// How many of its bytes are before the position.
    pub offset_bytes: u64,
}
