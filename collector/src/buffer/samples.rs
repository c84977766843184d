//! Batches for tests.

use std::sync::Arc;

use crate::record::{Batch, Container, ContainerId, Line, Mode, Stream, Timestamp};

/// A batch of so many records.
pub(super) fn batch(records: usize) -> Batch {
    let id = ContainerId::from_bytes(&[b'0'; ContainerId::LEN]).unwrap();
    let container = Arc::new(Container::unexplained(id));
    let line = Line {
        body: b"x",
        time: Timestamp::default(),
        mode: Mode::Ebpf,
        writer: None,
        sequence: 0,
        index: 0,
        truncated: false,
    };
    let mut batch = Batch::new(Timestamp::default());
    for number in 0..records as u64 {
        assert!(batch.push(&container, Stream::Stdout, number, &line));
    }
    batch
}
