//! What outlives the agent: up to where each stream is delivered, in a directory that one collector holds at a time.
//!
//! `checkpoint` is the newest, `checkpoint.previous` the one before it, which stands in when the newest is damaged: then lines
//! since are sent again, and none is lost. A newest one that cannot be used is put aside as `checkpoint.unusable`, in place of an
//! older such file. A checkpoint is written beside the others, synced and renamed: a crash leaves it or the one before.
//!
//! What is delivered, and when to store it, is for others to know.

mod checkpoint;
mod lock;
mod metrics;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

pub use checkpoint::{Checkpoint, Damage, StreamCheckpoint};
pub use lock::Error;
use metrics::LoadResult;
pub use metrics::Metrics;

const NEWEST: &str = "checkpoint";
const PREVIOUS: &str = "checkpoint.previous";
/// Is being written, or was when the agent died.
const UNFINISHED: &str = "checkpoint.new";
/// Could not be used.
const UNUSABLE: &str = "checkpoint.unusable";

/// What the stage is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory; made with mode 0700 when it is missing. Default: `/var/lib/writetap`.
    pub directory: PathBuf,
    /// Bytes of the largest checkpoint that is written or read; a stream takes up to 1.7 kB. Default: 256 MiB.
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { directory: PathBuf::from("/var/lib/writetap"), max_bytes: 256 << 20 }
    }
}

/// The state directory. Dropped, another collector may have it.
#[derive(Debug)]
pub struct State {
    settings: Settings,
    /// The open directory, by which it is locked.
    directory: File,
    metrics: Metrics,
}

/// What a start finds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest checkpoint that can be used; none at the very first start, or when none can be used.
    pub checkpoint: Option<Checkpoint>,
    /// Why it is not the newest there was.
    pub problem: Option<LoadProblem>,
}

/// Why a checkpoint was not used.
#[derive(Debug, thiserror::Error)]
#[error("failed to use checkpoint `{}`: {reason}; {}", path.display(), self.consequence())]
pub struct LoadProblem {
    /// The newest checkpoint.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Unusable,
    /// Where it was put aside; none when that failed.
    pub kept: Option<PathBuf>,
    /// Whether the checkpoint before it is used.
    pub has_previous: bool,
}

impl LoadProblem {
    fn consequence(&self) -> String {
        let Self { kept, has_previous, .. } = self;
        let kept = kept
            .as_ref()
            .map_or_else(String::new, |kept| format!("it is kept as `{}`, ", kept.display()));
        let start = if *has_previous {
            "the one before it is used, and lines since are sent again"
        } else {
            "none before it can be used: this is as a first start"
        };
        format!("{kept}{start}")
    }
}

/// What is wrong with a checkpoint's file.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is larger than any that is written.
    #[error("it is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// Its content is wrong.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Why a checkpoint was not stored. The one before it still holds.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the directory read-only.
    #[error(
        "failed to {action} `{}`: {source}; free space there and make it writable (until then a restart sends lines again)",
        path.display()
    )]
    Write {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There are too many streams.
    #[error(
        "a checkpoint of {streams} streams takes {bytes} bytes, of at most {max_bytes}; watch fewer containers"
    )]
    TooLarge {
        /// How many there are.
        streams: usize,
        /// What they take.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
}

impl State {
    /// Locks the directory, and makes it first where it is missing. While another collector holds it, waits for its end up to
    /// `patience`.
    pub fn lock(settings: &Settings, patience: Duration, metrics: Metrics) -> Result<Self, Error> {
        let directory = lock::lock(&settings.directory, patience)?;
        Ok(Self { settings: settings.clone(), directory, metrics })
    }

    /// The same without waiting.
    pub fn try_lock(settings: &Settings, metrics: Metrics) -> Result<Self, Error> {
        Self::lock(settings, Duration::ZERO, metrics)
    }

    /// Reads the newest checkpoint, or the one before it.
    pub fn load(&self) -> Loaded {
        let problem = match self.read(NEWEST) {
            Ok(Some(newest)) => {
                self.metrics.loaded(LoadResult::Newest);
                return Loaded { checkpoint: Some(newest), problem: None };
            }
            // Either this is the first start, or the agent died between two renames.
            Ok(None) => None,
            Err(reason) => Some(reason),
        };
        let (previous, problem) = match (self.read(PREVIOUS), problem) {
            (Ok(previous), problem) => (previous, problem.map(|reason| (NEWEST, reason))),
            (Err(_), Some(newest)) => (None, Some((NEWEST, newest))),
            (Err(reason), None) => (None, Some((PREVIOUS, reason))),
        };
        self.metrics.loaded(match (&previous, &problem) {
            (Some(_), _) => LoadResult::Previous,
            (None, None) => LoadResult::Absent,
            (None, Some(_)) => LoadResult::Unusable,
        });
        let has_previous = previous.is_some();
        let problem = problem.map(|(name, reason)| LoadProblem {
            path: self.path(name),
            reason,
            kept: self.rename(name, UNUSABLE).ok(),
            has_previous,
        });
        Loaded { checkpoint: previous, problem }
    }

    /// Stores `checkpoint`, durably. On an error the one before it holds.
    pub fn store(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let result = self.replace(checkpoint);
        match result {
            Ok(()) => self.metrics.stored.inc(),
            Err(_) => self.metrics.errors.inc(),
        };
        result
    }

    fn replace(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let content = checkpoint.to_bytes();
        let (bytes, max_bytes) = (content.len() as u64, self.settings.max_bytes);
        if bytes > max_bytes {
            let streams = checkpoint.streams.len();
            return Err(StoreError::TooLarge { streams, bytes, max_bytes });
        }
        let failed = |action, name| {
            let path = self.path(name);
            move |source| StoreError::Write { action, path, source }
        };
        self.write(UNFINISHED, &content).map_err(|source| {
            // What is there of it takes room on a disk that may be full.
            let _left_over = std::fs::remove_file(self.path(UNFINISHED));
            failed("write", UNFINISHED)(source)
        })?;
        match self.rename(NEWEST, PREVIOUS) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("rename", NEWEST)(error));
            }
            _ => {}
        }
        self.rename(UNFINISHED, NEWEST).map_err(failed("rename", UNFINISHED))?;
        self.directory.sync_all().map_err(failed("sync", "."))
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.path(name))?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// The checkpoint of a file; none when there is no file.
    fn read(&self, name: &str) -> Result<Option<Checkpoint>, Unusable> {
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let max_bytes = self.settings.max_bytes;
        let mut content = Vec::new();
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > max_bytes {
            return Err(Unusable::TooLarge { max_bytes });
        }
        Ok(Some(Checkpoint::from_bytes(&content)?))
    }

    /// Renames a file; returns what it is called then.
    fn rename(&self, from: &str, to: &str) -> io::Result<PathBuf> {
        let to = self.path(to);
        std::fs::rename(self.path(from), &to)?;
        Ok(to)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.settings.directory.join(name)
    }
}
