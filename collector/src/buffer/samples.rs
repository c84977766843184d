//! Batches for tests.

use std::sync::Arc;

use crate::record::{Batch, Container, ContainerId, Line, Mode, Stream, Timestamp};

/// A container whose id is `number`.
pub(super) fn container(number: u64) -> Arc<Container> {
    let id = ContainerId::from_bytes(format!("{number:064x}").as_bytes()).unwrap();
    Arc::new(Container::unexplained(id))
}

/// A batch of records, each of the stream and line number given.
pub(super) fn batch_of(records: &[(u64, Stream, u64)]) -> Batch {
    let mut batch = Batch::new(Timestamp::from_nanos(0));
    for &(container, stream, number) in records {
        let line = Line {
            body: b"x",
            time: Timestamp::from_nanos(0),
            mode: Mode::Ebpf,
            writer: None,
            sequence: 0,
            index: 0,
            truncated: false,
        };
        assert!(batch.push(&self::container(container), stream, number, &line));
    }
    batch
}

/// A batch of so many records.
pub(super) fn batch(records: usize) -> Batch {
    batch_of(&vec![(0, Stream::Stdout, 0); records])
}
