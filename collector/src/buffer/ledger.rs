//! Which batches a sink is done with, and how far that lets each stream's position move. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::record::{Batch, BatchId, ContainerId, Stream};

/// How far a stream was captured or acknowledged: the highest [`crate::record::BatchRecord::number`].
pub type Position = u64;

/// Positions of streams.
pub type Positions = HashMap<(ContainerId, Stream), Position>;

/// Books of the batches that were handed to a sink. It is done with them in any order; positions move in the order of the
/// batches, past those alone that it is done with.
#[derive(Debug)]
pub struct Ledger {
    max_open: usize,
    /// Batches not yet passed, from `first` on.
    open: VecDeque<Open>,
    first: BatchId,
    /// Records of batches that the sink is not done with.
    records: usize,
    positions: Positions,
}

#[derive(Debug)]
struct Open {
    is_done: bool,
    records: usize,
    ends: Vec<((ContainerId, Stream), Position)>,
}

impl Ledger {
    /// Books for at most `max_open` batches.
    pub fn new(max_open: usize) -> Self {
        Self {
            max_open: max_open.max(1),
            open: VecDeque::new(),
            first: 0,
            records: 0,
            positions: Positions::new(),
        }
    }

    /// Books `batch`, and gives it its number. Nothing if too many are open.
    pub fn opened(&mut self, batch: &Batch) -> Option<BatchId> {
        if self.open.len() >= self.max_open {
            return None;
        }
        let id = self.first + self.open.len() as BatchId;
        self.open.push_back(Open { is_done: false, records: batch.len(), ends: ends(batch) });
        self.records += batch.len();
        Some(id)
    }

    /// The sink is done with a batch. What is not open is passed over: it cannot be, or was acknowledged before.
    pub fn acknowledge(&mut self, batch: BatchId) {
        let index = batch.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(open) = index.and_then(|index| self.open.get_mut(index)) else { return };
        if !open.is_done {
            open.is_done = true;
            self.records -= open.records;
        }
        while let Some(Open { ends, .. }) = self.open.pop_front_if(|open| open.is_done) {
            self.first += 1;
            for (stream, end) in ends {
                let position = self.positions.entry(stream).or_default();
                *position = end.max(*position);
            }
        }
    }

    /// Forgets the positions of a container that is gone. Batches that are open bring them back.
    pub fn forget(&mut self, container: &ContainerId) {
        self.positions.retain(|(id, _), _| id != container);
    }

    /// Up to where each stream is acknowledged.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Batches that are booked and not passed.
    pub fn open_batches(&self) -> usize {
        self.open.len()
    }

    /// Records of batches that the sink is not done with.
    pub fn unacknowledged_records(&self) -> usize {
        self.records
    }
}

/// The highest line number of each stream in `batch`.
fn ends(batch: &Batch) -> Vec<((ContainerId, Stream), Position)> {
    let mut ends: Vec<((ContainerId, Stream), Position)> = Vec::new();
    let mut indexes = HashMap::new();
    let mut last = None;
    for record in batch.iter() {
        // Records of a stream follow each other mostly: look it up when it changes.
        let index = match last {
            Some((container, stream, index))
                if Arc::ptr_eq(container, record.container) && stream == record.stream =>
            {
                index
            }
            _ => {
                // By address, which is quick to hash; a container that is described twice has two entries.
                let stream = (Arc::as_ptr(record.container).addr(), record.stream);
                *indexes.entry(stream).or_insert_with(|| {
                    ends.push(((record.container.id, record.stream), 0));
                    ends.len() - 1
                })
            }
        };
        last = Some((record.container, record.stream, index));
        ends[index].1 = record.number.max(ends[index].1);
    }
    ends
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
