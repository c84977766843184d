//! A checkpoint, and its form as bytes. No I/O.
//!
//! Lines of JSON: the version, a line for each stream, and the XXH3 of all before it. Every version of the form begins and
//! ends so; so it can be told whether a file is damaged before it is asked who wrote it.

use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::{ContainerId, LineKey, Place, Stream, Timestamp};

/// The version of the form that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Up to where all lines are delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// By container and stream; each once.
    pub streams: Vec<StreamCheckpoint>,
}

/// Up to where the lines of one stream are delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCheckpoint {
    /// Whose stream.
    pub container: ContainerId,
    /// Which of its streams.
    pub stream: Stream,
    /// Number of the next line: of the first that is not delivered.
    pub number: u64,
    /// Where that line begins in the stream's log. None where nothing backs the stream.
    pub place: Option<Place>,
    /// Keys of the last lines before it, the newest last: to find the place in what another collector captured. Of more
    /// than [`StreamCheckpoint::MAX_RECENT`] only the newest are kept.
    #[serde(serialize_with = "newest")]
    pub recent: Vec<LineKey>,
    /// When the last of those lines was written, where it was captured.
    pub written: Option<Timestamp>,
}

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not what was written.
    #[error("it does not match its checksum")]
    Checksum,
    /// Written by another version of the agent.
    #[error("it has format {found}, and this version of writetap reads format {VERSION}")]
    Version {
        /// The form's version.
        found: u32,
    },
    /// Written as it is, and not understood all the same.
    #[error("line {line}: {source}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    writetap_checkpoint: u32,
}

impl StreamCheckpoint {
    /// The most keys that are kept of a stream.
    pub const MAX_RECENT: usize = 64;
}

impl Checkpoint {
    /// The form that is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&Header { writetap_checkpoint: VERSION }, &mut bytes);
        for stream in &self.streams {
            append(stream, &mut bytes);
        }
        let end = end_of(&bytes);
        bytes.extend_from_slice(end.as_bytes());
        bytes
    }

    /// Reads what [`Checkpoint::to_bytes`] made; of anything else it says how it differs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let before_last_newline = &bytes[..bytes.len().saturating_sub(1)];
        let start = memchr::memrchr(b'\n', before_last_newline).map_or(0, |newline| newline + 1);
        let (content, end) = bytes.split_at(start);
        if end != end_of(content).as_bytes() {
            return Err(Damage::Checksum);
        }
        let mut lines = (1..).zip(content.split(|byte| *byte == b'\n'));
        let (_, header) = lines.next().unwrap_or_default();
        let Header { writetap_checkpoint: found } = read(1, header)?;
        if found != VERSION {
            return Err(Damage::Version { found });
        }
        let streams = lines.filter(|(_, line)| !line.is_empty());
        let streams: Result<_, Damage> = streams.map(|(number, line)| read(number, line)).collect();
        Ok(Self { streams: streams? })
    }
}

fn newest<S: Serializer>(keys: &[LineKey], serializer: S) -> Result<S::Ok, S::Error> {
    keys[keys.len().saturating_sub(StreamCheckpoint::MAX_RECENT)..].serialize(serializer)
}

fn append(value: &impl Serialize, bytes: &mut Vec<u8>) {
    // Writing to memory does not fail, and what is written has text for its only keys.
    let _written = serde_json::to_writer(&mut *bytes, value);
    bytes.push(b'\n');
}

fn read<'a, T: Deserialize<'a>>(line: usize, text: &'a [u8]) -> Result<T, Damage> {
    serde_json::from_slice(text).map_err(|source| Damage::Line { line, source })
}

/// The last line of a file that holds `content` before it.
fn end_of(content: &[u8]) -> String {
    format!("{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content))
}
