//! The null sink: acknowledges everything and writes nothing, to measure what the stages before cost.

use std::time::Instant;

use super::{Error, Sink, SinkMetrics};
use crate::record::Delivery;

/// Takes records and forgets them. It encodes nothing, so that it counts no bytes.
#[derive(Debug)]
pub struct Discard {
    metrics: SinkMetrics,
}

impl Discard {
    /// A sink that counts in `metrics`.
    pub fn new(metrics: SinkMetrics) -> Self {
        Self { metrics }
    }
}

impl Sink for Discard {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Error> {
        self.metrics.accepted(delivery.batch.len(), 0);
        delivery.receipt.acknowledge();
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self, _deadline: Instant) -> Result<(), Error> {
        Ok(())
    }
}
