//! A block of records that share one buffer: one allocation for many lines, and no reference count per line.

use std::sync::Arc;

use super::{Container, Line, LineKey, Mode, RecordUid, Stream, Timestamp, Writer};

/// The most body bytes a batch may hold, whatever its maker wants: offsets are 32 bits wide.
pub const MAX_BATCH_BYTES: usize = 256 << 20;

/// Records in the order they were captured.
#[derive(Debug, Default)]
pub struct Batch {
    bodies: Vec<u8>,
    entries: Vec<Entry>,
    containers: Vec<Arc<Container>>,
    observed: Timestamp,
}

#[derive(Debug)]
struct Entry {
    end: u32,
    container: u32,
    number: u64,
    lost_bytes: Option<u64>,
    uid: RecordUid,
    time: Timestamp,
    writer: Option<Writer>,
    stream: Stream,
    mode: Mode,
    truncated: bool,
}

/// One record of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct BatchRecord<'a> {
    /// Whose line it is.
    pub container: &'a Arc<Container>,
    /// `log.iostream`
    pub stream: Stream,
    /// `log.capture.mode`
    pub mode: Mode,
    /// `timestamp`
    pub time: Timestamp,
    /// `observed_timestamp`
    pub observed: Timestamp,
    /// `log.record.uid`
    pub uid: RecordUid,
    /// `process.*` and `thread.*`, where the source knows.
    pub writer: Option<Writer>,
    /// Number of the line in its stream, ascending.
    pub number: u64,
    /// `log.truncated`
    pub truncated: bool,
    /// `log.capture.lost_bytes`: the record stands for as many bytes of the stream that nobody has, 0 if it is not known
    /// how many. None for a line.
    pub lost_bytes: Option<u64>,
    /// The line without its newline.
    pub body: &'a [u8],
}

/// How much a [`Batch`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchSize {
    records: usize,
    containers: usize,
    body_bytes: usize,
}

impl Batch {
    /// An empty batch that takes as much as `size`, and a quarter more, without growing.
    pub fn with_room(size: BatchSize) -> Self {
        let BatchSize { records, containers, body_bytes } = size;
        let room = |size: usize| size + size / 4;
        Self {
            bodies: Vec::with_capacity(room(body_bytes)),
            entries: Vec::with_capacity(room(records)),
            containers: Vec::with_capacity(room(containers)),
            observed: Timestamp::default(),
        }
    }

    /// An empty batch whose records were observed at `observed`.
    pub fn new(observed: Timestamp) -> Self {
        Self { observed, ..Self::default() }
    }

    /// When the records were observed.
    pub const fn observed(&self) -> Timestamp {
        self.observed
    }

    /// Sets when the records were observed: not before the last of them was pushed.
    pub fn set_observed(&mut self, observed: Timestamp) {
        self.observed = observed;
    }

    /// Adds line `number` of a stream. Lines of one container that follow each other share its entry.
    ///
    /// Returns `false`, and takes nothing, when the batch would grow past [`MAX_BATCH_BYTES`].
    pub fn push(
        &mut self,
        container: &Arc<Container>,
        stream: Stream,
        (number, key): (u64, LineKey),
        line: &Line<'_>,
    ) -> bool {
        self.push_record(&BatchRecord {
            container,
            stream,
            mode: line.mode,
            time: line.time,
            observed: self.observed,
            uid: RecordUid::new(&container.id, stream, number, key),
            writer: line.writer,
            number,
            truncated: line.truncated,
            lost_bytes: None,
            body: line.body,
        })
    }

    /// Adds a record as it is, but for when it was observed; as [`Batch::push`].
    pub fn push_record(&mut self, record: &BatchRecord<'_>) -> bool {
        let &BatchRecord { container, stream, mode, time, uid, writer, .. } = record;
        let &BatchRecord { observed: _, number, truncated, lost_bytes, body, .. } = record;
        if self.bodies.len() + body.len() > MAX_BATCH_BYTES {
            return false;
        }
        if !self.containers.last().is_some_and(|last| Arc::ptr_eq(last, container)) {
            self.containers.push(Arc::clone(container));
        }
        self.bodies.extend_from_slice(body);
        self.entries.push(Entry {
            end: self.bodies.len() as u32,
            container: (self.containers.len() - 1) as u32,
            number,
            lost_bytes,
            uid,
            time,
            writer,
            stream,
            mode,
            truncated,
        });
        true
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much it holds.
    pub fn size(&self) -> BatchSize {
        let Self { bodies, entries, containers, observed: _ } = self;
        BatchSize { records: entries.len(), containers: containers.len(), body_bytes: bodies.len() }
    }

    /// Bytes in use: bodies and bookkeeping.
    pub fn used_bytes(&self) -> usize {
        self.bodies.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Memory held, in bytes: what is allocated, used or not, which for a few lines is much more than they are.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.bodies.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.containers.capacity() * size_of::<Arc<Container>>()
    }

    /// The record at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<BatchRecord<'_>> {
        let entry = self.entries.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].end);
        Some(BatchRecord {
            container: &self.containers[entry.container as usize],
            stream: entry.stream,
            mode: entry.mode,
            time: entry.time,
            observed: self.observed,
            uid: entry.uid,
            writer: entry.writer,
            number: entry.number,
            truncated: entry.truncated,
            lost_bytes: entry.lost_bytes,
            body: &self.bodies[start as usize..entry.end as usize],
        })
    }

    /// The records, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = BatchRecord<'_>> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_else(|| unreachable!()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Batch, Entry};
    use crate::record::{Container, ContainerId, Line, LineKey, Mode, Stream, Timestamp};

    #[test]
    fn a_short_line_counts_with_all_that_it_makes_allocate() {
        let mut batch = Batch::default();
        assert_eq!(batch.size_bytes(), size_of::<Batch>());
        let container = ContainerId::from_bytes(&[b'0'; ContainerId::LEN]).unwrap();
        let container = Arc::new(Container::unexplained(container));
        let (time, mode) = (Timestamp::default(), Mode::Ebpf);
        let line =
            Line { body: b"x", time, mode, writer: None, sequence: 0, index: 0, truncated: false };
        assert!(batch.push(&container, Stream::Stdout, (0, LineKey(0)), &line));
        // A vector begins with room for four elements, and for eight bytes.
        let vectors = 8 + 4 * size_of::<Entry>() + 4 * size_of::<Arc<Container>>();
        assert_eq!(batch.size_bytes(), size_of::<Batch>() + vectors);
    }
}
