//! Opens a buffer's directory: locks it, and finds what an earlier run left.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use tracing::warn;

use super::Sequence;
use super::cursor::{Cursor, Loaded};
use super::files::{FileSource, Files};
use super::segment::{Segment, Step, UnknownVersion};
use super::state::{Entry, path_of};
use crate::buffer::metrics::{DiskOperation, QueueMetrics};

/// Why a buffer's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made or read.
    #[error("failed to open buffer directory `{}`: {source}", directory.display())]
    Open {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another buffer has it.
    #[error(
        "buffer directory `{}` is in use by another sink or process; give each its own",
        directory.display()
    )]
    Locked {
        /// Which.
        directory: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "buffer segment `{}` is of version {version}, which this program does not know; \
         let the program that wrote it deliver it, or delete it",
        segment.display()
    )]
    Version {
        /// Which.
        segment: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The thread that writes could not be started.
    #[error("failed to start the thread of the buffer in `{}`: {source}", directory.display())]
    Thread {
        /// Of which directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A locked directory, and what is in it.
#[derive(Debug)]
pub(super) struct Directory {
    /// The directory itself: holds the lock.
    pub(super) lock: File,
    pub(super) cursor: Cursor,
    pub(super) found: Found,
}

/// What is in a directory.
#[derive(Debug)]
pub(super) struct Found {
    /// What the sink gets next.
    pub(super) next: Sequence,
    /// All frames are before this.
    pub(super) end: Sequence,
    /// Oldest first.
    pub(super) segments: VecDeque<Entry>,
}

impl Directory {
    pub(super) fn open(
        path: &Path,
        files: &Arc<dyn Files>,
        metrics: &QueueMetrics,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Open { directory: path.to_owned(), source };
        files.make_directory(path).map_err(failed)?;
        let lock = files.open_to_read(path).map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Locked { directory: path.to_owned() });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let (cursor, loaded) =
            Cursor::load(Arc::clone(files), path.join("cursor")).map_err(failed)?;
        let cursor_at = match loaded {
            Loaded::At(sequence) => sequence,
            Loaded::New => 0,
            Loaded::Damaged => {
                metrics.disk_error(DiskOperation::Cursor);
                warn!(directory = %path.display(), "a damaged cursor: all that is buffered is delivered again");
                0
            }
        };
        let search = Search { path, files, metrics };
        let found = search.segments(cursor_at).map_err(|error| match error {
            SearchError::Io(source) => failed(source),
            SearchError::Version(segment, UnknownVersion(version)) => {
                Error::Version { segment, version }
            }
        })?;
        Ok(Self { lock, cursor, found })
    }
}

enum SearchError {
    Io(io::Error),
    Version(PathBuf, UnknownVersion),
}

impl From<io::Error> for SearchError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Search<'a> {
    path: &'a Path,
    files: &'a Arc<dyn Files>,
    metrics: &'a QueueMetrics,
}

impl Search<'_> {
    fn segments(&self, cursor: Sequence) -> Result<Found, SearchError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".segment"));
            let is_ours = |digits: &&str| {
                digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            names.extend(digits.filter(is_ours).and_then(|digits| digits.parse::<Sequence>().ok()));
        }
        names.sort_unstable();
        let mut segments: VecDeque<Entry> = VecDeque::new();
        for &first in &names {
            if let Some(before) = segments.back_mut() {
                before.end = Some(first);
            }
            let bytes = self.open(first)?.1;
            segments.push_back(Entry { first, end: None, bytes });
        }
        let mut end = cursor;
        if let Some(last) = segments.back_mut() {
            end = self.mend(last)?.max(cursor);
            last.end = Some(end);
        }
        // Those before the cursor, and what has no frame.
        segments.retain(|segment| {
            let is_needed = segment.bytes > 0 && segment.end > Some(cursor.max(segment.first));
            if !is_needed && let Err(error) = self.files.remove(&path_of(self.path, segment.first))
            {
                self.metrics.disk_error(DiskOperation::Remove);
                warn!(directory = %self.path.display(), %error, "a segment cannot be deleted");
            }
            is_needed
        });
        let next = segments.front().map_or(end, |oldest| cursor.max(oldest.first));
        Ok(Found { next, end, segments })
    }

    /// Opens a segment. Returns its size as well.
    fn open(&self, first: Sequence) -> Result<(Segment<FileSource>, u64), SearchError> {
        let path = path_of(self.path, first);
        let file = self.files.open_to_read(&path)?;
        let bytes = file.metadata()?.len();
        match Segment::open(FileSource { files: Arc::clone(self.files), file })? {
            Ok(segment) => Ok((segment, bytes)),
            Err(version) => Err(SearchError::Version(path, version)),
        }
    }

    /// Cuts off what comes after the last whole frame of the newest segment: a torn write. Returns where its frames end.
    fn mend(&self, newest: &mut Entry) -> Result<Sequence, SearchError> {
        let (mut segment, bytes) = self.open(newest.first)?;
        let (mut end, mut whole, mut body) = (newest.first, segment.offset(), Vec::new());
        newest.bytes = 0;
        loop {
            match segment.next(newest.first, &mut body)? {
                Step::Frame(sequence) => {
                    end = sequence.saturating_add(1);
                    whole = segment.offset();
                    newest.bytes = whole;
                }
                Step::Corrupt(_) => {}
                Step::End => break,
            }
        }
        // A prologue may itself be cut off after its first copy.
        let rest = bytes.saturating_sub(whole);
        if whole == 0 {
            self.metrics.corrupt(rest);
        } else if rest > 0 {
            self.metrics.torn(rest);
            let path = path_of(self.path, newest.first);
            warn!(segment = %path.display(), bytes = rest, "a torn write is cut off");
            self.files.cut(&self.files.open(&path)?, whole)?;
        }
        Ok(end)
    }
}
