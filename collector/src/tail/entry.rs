//! What reading a log yields.

use crate::record::{Cut, Stream, Timestamp};

/// A piece of a stream as the runtime wrote it down: a line, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which stream.
    pub stream: Stream,
    /// When the runtime took the bytes from the container.
    pub time: Timestamp,
    /// Bytes of the stream; with a newline at their end if and only if the line ends there.
    pub bytes: &'a [u8],
    /// The position after it.
    pub end: Cut,
    /// Bytes of the file skipped just before it, because they are no entry or too long a one. NULs in holes are not
    /// counted: they were never written.
    pub lost_before_bytes: u64,
}

/// What a call of [`Log::read`](super::Log::read) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Bytes of the file that were used up.
    pub bytes: u64,
    /// There is no more for now.
    pub at_end: bool,
}

/// Whether a place is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Reading goes on there.
    Found,
    /// The place's file is not there any more. Reading begins with the oldest file that is younger, else with the oldest
    /// there is: entries may come again rather than be lost.
    Lost,
}

/// What of a log was given up before it could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of files, as far as their sizes were known. Those of a file that came and went unseen are not.
    pub bytes: u64,
    /// Files of which all or a part is lost.
    pub files: u64,
}

impl Lost {
    pub(super) const NONE: Self = Self { bytes: 0, files: 0 };

    pub(super) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.files += other.files;
    }
}
