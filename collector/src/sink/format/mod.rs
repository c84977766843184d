//! Records as bytes: one record in, one line out. No I/O: the sinks write what this makes.

mod container_cache;
mod escape;
mod json;
mod pretty;
mod timestamp;

pub(super) use container_cache::ContainerCache;
pub(super) use escape::append_escaped;

use crate::record::{Batch, BatchRecord};
use json::Json;
use pretty::Pretty;

/// The form of a record in a line-oriented destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One flat JSON object a line.
    #[default]
    Json,
    /// The body as it was written.
    Raw,
    /// For a person at a terminal: time, container name, stream and body, coloured, aligned, control characters shown.
    Pretty,
}

/// Turns records into the bytes of one [`Format`].
#[derive(Debug)]
pub(super) enum Encoder {
    Json(Box<Json>),
    Raw,
    Pretty(Box<Pretty>),
}

impl Encoder {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(Box::default()),
            Format::Raw => Self::Raw,
            Format::Pretty => Self::Pretty(Box::default()),
        }
    }

    /// Appends `record` to `out`, without a newline.
    pub(super) fn append(&mut self, record: &BatchRecord<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => json.append(record, out),
            Self::Raw => out.extend_from_slice(record.body),
            Self::Pretty(pretty) => pretty.append(record, out),
        }
    }

    /// Appends every record of `batch` to `out`, each with a newline.
    pub(super) fn append_lines(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        for record in batch.iter() {
            self.append(&record, out);
            out.push(b'\n');
        }
    }
}
