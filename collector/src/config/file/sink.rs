//! `sinks`: where the lines go.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::{Interval, Size};
use super::Kafka;

/// A destination of lines; `type` says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Sink {
    /// The agent's stdout.
    Console(Console),
    /// A local file, rotated.
    File(File),
    /// Topics of Apache Kafka.
    Kafka(Box<Kafka>),
    /// Nowhere: takes every line and drops it. To measure what comes before it.
    Discard(Discard),
}

impl Sink {
    /// What waits before the sink.
    pub fn buffer(&self) -> &Buffer {
        match self {
            Self::Console(Console { buffer, .. })
            | Self::File(File { buffer, .. })
            | Self::Discard(Discard { buffer }) => buffer,
            Self::Kafka(kafka) => &kafka.buffer,
        }
    }
}

/// The agent's stdout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// How a line is written.
    pub format: ConsoleFormat,
    /// What waits before the sink.
    pub buffer: Buffer,
}

/// How a line is written to the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleFormat {
    /// `pretty` when stdout is a terminal, else `json`.
    #[default]
    Auto,
    /// The record as a flat JSON object a line.
    Json,
    /// The line as it was written, without its origin.
    Raw,
    /// For people: container, stream and line, aligned and coloured.
    Pretty,
}

/// A local file, rotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file to append to, absolute. Its folder must exist.
    #[schemars(length(min = 1, max = 4095), example = "/var/log/writetap/containers.log")]
    pub path: PathBuf,
    /// How a line is written.
    #[serde(default)]
    pub format: FileFormat,
    /// When the file is put aside and a new one begun.
    #[serde(default)]
    pub rotate: Rotate,
    /// What waits before the sink.
    #[serde(default)]
    pub buffer: Buffer,
}

/// How a line is written to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// The record as a flat JSON object a line.
    #[default]
    Json,
    /// The line as it was written, without its origin.
    Raw,
}

/// When a file is put aside and a new one begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotate {
    /// When it has this many bytes; with 0, size does not matter.
    #[schemars(extend("x-minimum" = "0B", "x-maximum" = "1TiB"))]
    pub max_bytes: Size,
    /// When its first line is this old. Default: age does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "366days"), example = "24h")]
    pub max_age: Option<Interval>,
    /// Files put aside that are kept, the oldest being deleted first; with 0, all.
    #[schemars(range(min = 0, max = 1000))]
    pub max_files: u32,
    /// How files put aside are compressed.
    pub compression: Compression,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            max_bytes: Size::mib(128),
            max_age: None,
            max_files: 8,
            compression: Compression::None,
        }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// As gzip, suffix `.gz`.
    Gzip,
    /// As Zstandard, suffix `.zst`.
    Zstd,
}

/// Takes every line and drops it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Discard {
    /// What waits before the sink.
    pub buffer: Buffer,
}

/// What waits before a sink that is slower than its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Buffer {
    /// Where lines wait.
    #[serde(rename = "type")]
    pub kind: BufferType,
    /// Bytes of lines that may wait; in memory at most 16GiB.
    /// Default: 64MiB in memory, 1GiB on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1TiB"), example = "64MiB")]
    pub max_bytes: Option<Size>,
    /// What happens to the next line when that many wait.
    pub when_full: WhenFull,
    /// The directory of lines on disk, absolute, for this sink alone. Needs `type: disk`.
    /// Default: `buffer/` and the sink's name below `state.directory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4095), example = "/var/lib/writetap/buffer/file")]
    pub directory: Option<PathBuf>,
    /// Bytes of a file there: space is freed in such pieces, of at most a quarter of `max_bytes`. Needs `type: disk`.
    /// Default: 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"), example = "64MiB")]
    pub segment_bytes: Option<Size>,
    /// The longest that a line there stays exposed to a crash of the node. Needs `type: disk`.
    /// Default: 100ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1m"), example = "100ms")]
    pub sync_interval: Option<Interval>,
}

/// Where lines wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BufferType {
    /// In memory: gone when the agent dies. Lines of a log file are read again, those that were captured alone are lost.
    #[default]
    Memory,
    /// On disk as well, so that they outlive the agent.
    Disk,
}

/// What happens to a line for which a buffer has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits, and so do the other sinks; when the ring fills up as well, the kernel counts what it has to drop.
    #[default]
    Block,
    /// It is dropped for this sink, and counted.
    DropNewest,
}
