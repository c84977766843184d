//! The way back: what a sink was given, and how it says that it is done with it.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::Batch;

/// Number of a batch, ascending from 0 in the order in which batches were handed to a sink.
pub type BatchId = u64;

/// A batch on its way to one sink.
#[derive(Debug)]
pub struct Delivery {
    /// The records; shared between the sinks.
    pub batch: Arc<Batch>,
    /// To be acknowledged when the sink is done with the batch.
    pub receipt: Receipt,
}

/// The right to acknowledge one batch for one sink, once: each of its records was accepted by the destination, or refused
/// for good and counted. Dropped without [`Receipt::acknowledge`] it stays unacknowledged, and no position moves past it.
#[derive(Debug)]
pub struct Receipt {
    batch: BatchId,
    to: Sender<BatchId>,
}

impl Receipt {
    /// A receipt whose acknowledgement goes to `to`.
    pub const fn new(batch: BatchId, to: Sender<BatchId>) -> Self {
        Self { batch, to }
    }

    /// The sink is done with the batch. Nobody listening any more is no error: the agent is shutting down.
    pub fn acknowledge(self) {
        let _closed = self.to.send(self.batch);
    }
}
