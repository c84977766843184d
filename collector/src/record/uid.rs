//! `log.record.uid`: by which a consumer drops duplicates.

use std::fmt;

use super::{ContainerId, Line, Stream};

/// A hash of where and when a line was written (container, stream, time, place), so that a record sent again has the same
/// id. 128 bits of XXH3, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordUid(u128);

impl RecordUid {
    /// The id of a line of a container's stream.
    pub fn new(container: &ContainerId, stream: Stream, line: &Line<'_>) -> Self {
        let mut key = [0; ContainerId::LEN + 21];
        let (id, place) = key.split_at_mut(ContainerId::LEN);
        id.copy_from_slice(container.as_bytes());
        place[..8].copy_from_slice(&line.time.as_nanos().to_le_bytes());
        place[8..16].copy_from_slice(&line.sequence.to_le_bytes());
        place[16..20].copy_from_slice(&line.index.to_le_bytes());
        place[20] = stream as u8;
        Self(xxhash_rust::xxh3::xxh3_128(&key))
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
