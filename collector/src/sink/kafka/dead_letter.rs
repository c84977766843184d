//! A file for the records that the cluster refuses for good, so that they can be looked at and sent again by hand.
//!
//! Bounded: the file takes half of its room, and when it would take more it becomes `.1`, in place of the one before.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rdkafka::error::RDKafkaErrorCode;

use super::super::file::{Appender, Error};
use super::super::format::append_escaped;
use super::super::metrics::DropReason;
use super::delivery::InFlight;

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file. Its directory has to exist. Required; no default.
    pub path: PathBuf,
    /// Bytes of the file and of the one before it. A record that takes more than half of it is not kept. Default: 64 MiB.
    pub max_bytes: u64,
}

/// A record that the cluster refuses for good.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: DropReason,
    pub(super) topic: String,
    /// The JSON object that was sent.
    pub(super) value: Vec<u8>,
    pub(super) batch: Arc<InFlight>,
}

impl Refused {
    /// The record with what became of it, as a line.
    fn to_line(&self) -> Vec<u8> {
        let Self { code: _, reason, topic, value, batch: _ } = self;
        let mut line = value.strip_suffix(b"}").unwrap_or(value).to_vec();
        line.extend_from_slice(br#","dead_letter.reason":""#);
        line.extend_from_slice(reason.as_str().as_bytes());
        line.extend_from_slice(br#"","dead_letter.topic":""#);
        append_escaped(&mut line, topic);
        line.extend_from_slice(b"\"}\n");
        line
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    /// Where the file goes when it has taken its half.
    before: PathBuf,
    half_bytes: u64,
    appender: Appender<File>,
}

impl DeadLetters {
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        let Settings { path, max_bytes } = settings;
        let appender = Appender::open(path)?;
        let mut before = path.clone().into_os_string();
        before.push(".1");
        Ok(Self { path: path.clone(), before: before.into(), half_bytes: max_bytes / 2, appender })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. Durable only after [`DeadLetters::sync`].
    pub(super) fn append(&mut self, record: &Refused) -> Result<(), Error> {
        let line = record.to_line();
        let bytes = line.len() as u64;
        if bytes > self.half_bytes {
            return Err(self.failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        // Somebody may have moved or deleted the file.
        let is_in_place = self.appender.is_at(&self.path);
        let is_full = self.appender.len() + bytes > self.half_bytes;
        if is_in_place && is_full {
            self.sync()?;
            let failed = |source| Error::Rotate { path: self.path.clone(), source };
            std::fs::rename(&self.path, &self.before).map_err(failed)?;
        }
        if !is_in_place || is_full {
            self.appender = Appender::open(&self.path)?;
        }
        self.appender.append(&line).map_err(|source| self.failed(source))
    }

    /// Makes what was appended durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.appender.sync().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
