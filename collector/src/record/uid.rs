//! `log.record.uid`: by which a consumer drops duplicates.

use std::fmt;

use super::{ContainerId, LineKey, Stream};

/// A hash of a line and its place (container, stream, number, text), so that a record sent again has the same id, also
/// when it was captured first and read from a log file later. 128 bits of XXH3, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordUid(u128);

impl RecordUid {
    /// The id of line `number` of a container's stream.
    pub fn new(container: &ContainerId, stream: Stream, number: u64, line: LineKey) -> Self {
        let mut key = [0; ContainerId::LEN + 17];
        let (id, place) = key.split_at_mut(ContainerId::LEN);
        id.copy_from_slice(container.as_bytes());
        place[..8].copy_from_slice(&number.to_le_bytes());
        place[8..16].copy_from_slice(&line.0.to_le_bytes());
        place[16] = stream as u8;
        Self(xxhash_rust::xxh3::xxh3_128(&key))
    }

    /// The id whose number is `id`.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }

    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RecordUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
