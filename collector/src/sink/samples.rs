//! Deliveries for tests.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};

use crate::record::{
    Batch, BatchId, Container, ContainerId, Delivery, Line, LineKey, Mode, Receipt, Stream,
    Timestamp,
};

/// A container with this name, whose id is made of its length.
pub(super) fn container(name: &str) -> Arc<Container> {
    let id = ContainerId::from_bytes(format!("{:064x}", name.len()).as_bytes()).unwrap();
    Arc::new(Container { name: Some(name.into()), ..Container::unexplained(id) })
}

/// A batch of lines that `container` wrote to its standard output.
pub(super) fn batch(container: &Arc<Container>, bodies: &[&str]) -> Arc<Batch> {
    let mut batch = Batch::new(Timestamp::from_nanos(1_700_000_000_000_000_000));
    for (number, body) in (0..).zip(bodies) {
        let line = Line {
            body: body.as_bytes(),
            time: Timestamp::from_nanos(1_700_000_000_000_000_000 + number),
            mode: Mode::Ebpf,
            writer: None,
            sequence: 0,
            index: 0,
            truncated: false,
        };
        assert!(batch.push(container, Stream::Stdout, (number, LineKey(0)), &line));
    }
    Arc::new(batch)
}

/// Makes deliveries, and sees which are acknowledged.
pub(super) struct Deliveries {
    container: Arc<Container>,
    sender: crossbeam_channel::Sender<BatchId>,
    receiver: Receiver<BatchId>,
    next: u64,
}

impl Deliveries {
    pub(super) fn of(name: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test makes a handful of deliveries")]
        let (sender, receiver) = unbounded();
        Self { container: container(name), sender, receiver, next: 0 }
    }

    /// The next delivery, numbered from 0.
    pub(super) fn next(&mut self, bodies: &[&str]) -> Delivery {
        self.next += 1;
        Delivery {
            batch: batch(&self.container, bodies),
            receipt: Receipt::new(self.next - 1, self.sender.clone()),
        }
    }

    /// Batches acknowledged since the last call.
    pub(super) fn acknowledged(&self) -> Vec<u64> {
        self.receiver.try_iter().collect()
    }
}
