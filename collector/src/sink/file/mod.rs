//! A file of lines, rotated by size and time.
//!
//! One `write` a batch, at the end of the file. What a failed write left behind is cut off, so that a reader finds whole
//! lines only, and the batch is written again. A rotation is a rename; what comes after it (compression, deletion of the
//! oldest) is the work of another thread. Not here: durability of each batch. The file is synced when it is closed.

mod append;
mod archive;
mod compress;
mod rotate;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::warn;

pub(super) use self::append::Appender;
use self::archive::Archive;
use self::rotate::Rotation;
use super::format::{Encoder, Format};
use super::{Sink, SinkMetrics};
use crate::record::{Delivery, Receipt, Timestamp};

/// How often it is looked whether the path still leads to the open file.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How rotated files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not.
    #[default]
    None,
    /// As `.gz`, level 6.
    Gzip,
    /// As `.zst`, level 3.
    Zstd,
}

/// What a file sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file. Its directory has to exist. Required; no default.
    pub path: PathBuf,
    /// The form of a line. Default: `json`.
    pub format: Format,
    /// Size in bytes at which the file is rotated; it is passed by less than a batch. Zero: never. Default: 128 MiB.
    pub rotate_bytes: u64,
    /// Age at which a file that holds lines is rotated. Zero: never. Default: never. At least one second.
    pub rotate_after: Duration,
    /// Rotated files to keep; older ones are deleted. Zero: all. Default: 8.
    pub keep_files: usize,
    /// How rotated files are compressed. Default: not.
    pub compression: Compression,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            format: Format::Json,
            rotate_bytes: 128 << 20,
            rotate_after: Duration::ZERO,
            keep_files: 8,
            compression: Compression::None,
        }
    }
}

/// Why a file does not take lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path names no file.
    #[error("file sink: path `{path}` names no file; give the full path of one")]
    Path {
        /// As it was given.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("failed to open `{path}`: {source}; its directory must exist and be writable")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A symbolic link, which could lead anywhere.
    #[error("`{path}` is a symbolic link, which is not followed; name the file itself")]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Something that cannot be rotated or cut.
    #[error("`{path}` is not a regular file; for pipes and devices use the console sink")]
    NotRegular {
        /// What it is called.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("`{path}` is in use by another process; give each agent and sink a file of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full, or broken.
    #[error("failed to write to `{path}`: {source}; free space there")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be renamed, or its rotated files not be listed.
    #[error("failed to rotate `{path}`: {source}; its directory must be writable")]
    Rotate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that tends rotated files could not be started.
    #[error("failed to start the thread that tends the rotated files of `{path}`: {source}")]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes batches to the file and rotates it.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    appender: Appender<std::fs::File>,
    rotation: Rotation,
    archive: Archive,
    encoder: Encoder,
    metrics: SinkMetrics,
    text: Vec<u8>,
    pending: Option<(Receipt, usize)>,
    rotation_failed: bool,
    /// When it was last seen whether the path still leads to the open file: somebody may move or delete it.
    looked: Timestamp,
}

impl File {
    /// Opens the file, or makes it with mode 0640, and puts a torn last line of a former run to an end.
    pub fn open(settings: &Settings, metrics: SinkMetrics) -> Result<Self, Error> {
        let Settings { path, format, rotate_bytes, rotate_after, keep_files, compression } =
            settings;
        let appender = Appender::open(path)?;
        let archive = Archive::open(path, *keep_files, *compression, metrics.clone())?;
        let now = Timestamp::now();
        let mut rotation = Rotation::new(*rotate_bytes, *rotate_after);
        rotation.started(now);
        Ok(Self {
            path: path.clone(),
            appender,
            rotation,
            archive,
            encoder: Encoder::new(*format),
            metrics,
            text: Vec::new(),
            pending: None,
            rotation_failed: false,
            looked: now,
        })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        self.appender.append(&self.text).map_err(failed)?;
        if let Some((receipt, records)) = self.pending.take() {
            self.metrics.accepted(records, self.text.len());
            receipt.acknowledge();
        }
        self.text.clear();
        self.rotate_if_due(Timestamp::now());
        Ok(())
    }

    /// A rotation that fails does not stop the lines: they go on into the old file, and it is tried again.
    fn rotate_if_due(&mut self, now: Timestamp) {
        let looked_at = now.saturating_since(self.looked) < LOOK_AGAIN;
        if looked_at && !self.rotation.is_due(self.appender.len(), now) {
            return;
        }
        self.looked = now;
        match self.rotate(now) {
            Ok(()) => self.rotation_failed = false,
            Err(error) => {
                self.metrics.rotation_errors.inc();
                self.rotation.postpone(now);
                if !std::mem::replace(&mut self.rotation_failed, true) {
                    let path = self.path.display();
                    warn!(%path, %error, "failed to rotate; lines go on into the old file");
                }
            }
        }
    }

    fn rotate(&mut self, now: Timestamp) -> Result<(), Error> {
        let failed = |source| Error::Rotate { path: self.path.clone(), source };
        let in_place = self.appender.is_at(&self.path);
        let due = in_place && self.rotation.is_due(self.appender.len(), now);
        if due {
            self.archive.take(now).map_err(failed)?;
        }
        if due || !in_place {
            self.appender = Appender::open(&self.path)?;
            self.rotation.started(now);
        }
        self.archive.tend().map_err(failed)
    }
}

impl Sink for File {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), super::Error> {
        let Delivery { batch, receipt } = delivery;
        self.encoder.append_lines(&batch, &mut self.text);
        self.pending = Some((receipt, batch.len()));
        Ok(self.flush()?)
    }

    fn tick(&mut self) -> Result<(), super::Error> {
        Ok(self.flush()?)
    }

    fn close(&mut self, _deadline: Instant) -> Result<(), super::Error> {
        let result = self.flush();
        self.archive.close();
        result?;
        let path = self.path.clone();
        Ok(self.appender.sync().map_err(|source| Error::Write { path, source })?)
    }
}

#[cfg(test)]
mod tests;
