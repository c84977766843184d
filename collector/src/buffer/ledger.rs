//! Which batches a sink is done with, in their order. Pure.

use std::collections::VecDeque;

use crate::record::BatchId;

/// Books of the batches that were handed to a sink. It is done with them in any order; they are passed in their own: up to
/// the first that it is not done with.
#[derive(Debug)]
pub(super) struct Ledger {
    max_open: usize,
    /// Batches not yet passed, from `passed` on.
    open: VecDeque<Open>,
    passed: BatchId,
    /// Records of batches that the sink is not done with.
    records: usize,
}

#[derive(Debug)]
struct Open {
    is_done: bool,
    records: usize,
}

impl Ledger {
    /// Books for at most `max_open` batches.
    pub(super) fn new(max_open: usize) -> Self {
        Self { max_open: max_open.max(1), open: VecDeque::new(), passed: 0, records: 0 }
    }

    /// Books a batch of `records`, and gives it its number. Nothing if too many are open.
    pub(super) fn opened(&mut self, records: usize) -> Option<BatchId> {
        if self.is_full() {
            return None;
        }
        let id = self.handed();
        self.open.push_back(Open { is_done: false, records });
        self.records += records;
        Some(id)
    }

    /// Whether too many are open for one more.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= self.max_open
    }

    /// The sink is done with a batch. What is not open is passed over: it cannot be, or was acknowledged before.
    pub(super) fn acknowledge(&mut self, batch: BatchId) {
        let index = batch.checked_sub(self.passed).and_then(|index| usize::try_from(index).ok());
        let Some(open) = index.and_then(|index| self.open.get_mut(index)) else { return };
        if !open.is_done {
            open.is_done = true;
            self.records -= open.records;
        }
        while self.open.pop_front_if(|open| open.is_done).is_some() {
            self.passed += 1;
        }
    }

    /// How many batches were booked so far: the number that the next one gets.
    pub(super) fn handed(&self) -> BatchId {
        self.passed + self.open.len() as BatchId
    }

    /// The sink is done with every batch before this one.
    pub(super) fn passed(&self) -> BatchId {
        self.passed
    }

    /// Batches that are booked and not passed.
    pub(super) fn open_batches(&self) -> usize {
        self.open.len()
    }

    /// Records of batches that the sink is not done with.
    pub(super) fn unacknowledged_records(&self) -> usize {
        self.records
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
