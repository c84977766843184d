//! Batches for tests.

use std::sync::Arc;

use crate::record::{Batch, Container, ContainerId, Line, LineKey, Mode, Stream, Timestamp};

/// A batch of so many records.
pub(super) fn batch(records: usize) -> Batch {
    let mut batch = Batch::default();
    for number in 0..records as u64 {
        push(&mut batch, number, b"x");
    }
    batch
}

/// A batch of one record.
pub(super) fn batch_with(number: u64, body: &[u8]) -> Batch {
    let mut batch = Batch::default();
    push(&mut batch, number, body);
    batch
}

fn push(batch: &mut Batch, number: u64, body: &[u8]) {
    let id = ContainerId::from_bytes(&[b'0'; ContainerId::LEN]).unwrap();
    let container = Arc::new(Container::unexplained(id));
    let line = Line {
        body,
        time: Timestamp::default(),
        mode: Mode::Ebpf,
        writer: None,
        sequence: 0,
        index: 0,
        truncated: false,
    };
    assert!(batch.push(&container, Stream::Stdout, (number, LineKey(0)), &line));
}
