//! The batch that is being filled, on its way to every sink's buffer.

use std::mem;
use std::sync::Arc;

use super::metrics::Metrics;
use crate::buffer::Buffer;
use crate::record::{Batch, BatchRecord, BatchSize, Container, Line, LineKey, Stream, Timestamp};

/// A batch is handed on when it holds this much, if not before.
const BATCH_BYTES: usize = 1 << 20;

/// Takes lines and hands them on in batches.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    batch: Batch,
    buffers: &'a [Arc<Buffer>],
    metrics: &'a Metrics,
}

impl<'a> Outgoing<'a> {
    /// Begins with a batch of so much room.
    pub(super) fn new(room: BatchSize, buffers: &'a [Arc<Buffer>], metrics: &'a Metrics) -> Self {
        Self { batch: Batch::with_room(room), buffers, metrics }
    }

    /// Adds a record that is no line; waits while a buffer is full.
    pub(super) fn push_record(&mut self, record: &BatchRecord<'_>) {
        let pushed = self.batch.push_record(record);
        debug_assert!(pushed, "a batch outgrew its bound");
    }

    /// Adds a line of a stream, with its number and key; waits while a buffer is full.
    pub(super) fn push(
        &mut self,
        container: &Arc<Container>,
        stream: Stream,
        place: (u64, LineKey),
        line: &Line<'_>,
    ) {
        // Refused only past `MAX_BATCH_BYTES`: no line is as long as what is missing to that.
        let pushed = self.batch.push(container, stream, place, line);
        debug_assert!(pushed, "a batch outgrew its bound");
        if self.batch.used_bytes() >= BATCH_BYTES {
            let room = self.hand_on();
            self.batch = Batch::with_room(room);
        }
    }

    /// Hands on what is there; waits while a buffer is full. Returns the size of the batch, to begin the next one with.
    pub(super) fn hand_on(&mut self) -> BatchSize {
        let mut batch = mem::take(&mut self.batch);
        let size = batch.size();
        if !batch.is_empty() {
            batch.set_observed(Timestamp::now());
            self.metrics.lines.inc_by(batch.len() as u64);
            let batch = Arc::new(batch);
            for buffer in self.buffers {
                buffer.push(&batch);
            }
        }
        size
    }
}
