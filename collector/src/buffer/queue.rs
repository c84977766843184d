//! A bounded queue of deliveries between two threads: the capture's and a sink's.
//!
//! Bounded by the memory of what it holds, not by a number of batches: batches are of any size. Both sides park.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::metrics::{DropReason, QueueMetrics};
use super::{Settings, WhenFull};
use crate::record::Delivery;

/// Makes a queue; its consumer closes it when it is dropped.
pub(super) fn bounded(settings: Settings, metrics: QueueMetrics) -> (Producer, Consumer) {
    let queue = Arc::new(Queue {
        settings,
        metrics,
        state: Mutex::default(),
        filled: Condvar::new(),
        emptied: Condvar::new(),
    });
    (Producer(Arc::clone(&queue)), Consumer(queue))
}

#[derive(Debug)]
struct Queue {
    settings: Settings,
    metrics: QueueMetrics,
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    closed: bool,
}

/// The end that batches go in.
#[derive(Debug)]
pub(super) struct Producer(Arc<Queue>);

/// The end that a sink takes batches from.
#[derive(Debug)]
pub(super) struct Consumer(Arc<Queue>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

impl Producer {
    /// Puts `delivery` in, waiting for room if the settings say so. What finds no room, or a closed queue, is dropped and
    /// counted.
    pub(super) fn push(&self, delivery: Delivery) {
        let Queue { settings, metrics, filled, emptied, .. } = &*self.0;
        let bytes = delivery.batch.size_bytes();
        let has_room = |state: &State| {
            state.deliveries.is_empty() || state.bytes.saturating_add(bytes) <= settings.max_bytes
        };
        let mut state = self.0.lock();
        if !state.closed && !has_room(&state) {
            match settings.when_full {
                WhenFull::DropNewest => {
                    metrics.dropped(DropReason::QueueFull, delivery.batch.len());
                    return delivery.receipt.acknowledge();
                }
                WhenFull::Block => {
                    let since = Instant::now();
                    state = emptied
                        .wait_while(state, |state| !state.closed && !has_room(state))
                        .unwrap_or_else(PoisonError::into_inner);
                    metrics.blocked(since.elapsed());
                }
            }
        }
        if state.closed {
            return self.refuse(delivery.batch.len());
        }
        state.bytes += bytes;
        metrics.held(bytes as i64, delivery.batch.len() as i64);
        state.deliveries.push_back(delivery);
        drop(state);
        filled.notify_one();
    }

    /// Counts records that come after the end.
    pub(super) fn refuse(&self, records: usize) {
        self.0.metrics.dropped(DropReason::Closed, records);
    }

    /// Nothing goes in any more; what is in comes out. Wakes both sides.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Consumer {
    /// The oldest delivery; waits for one for up to `timeout`. Disconnected: closed, and empty.
    pub(super) fn pop(&self, timeout: Duration) -> Result<Delivery, RecvTimeoutError> {
        let Queue { metrics, filled, emptied, .. } = &*self.0;
        let state = self.0.lock();
        let (mut state, _) = filled
            .wait_timeout_while(state, timeout, |state| {
                !state.closed && state.deliveries.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let Some(delivery) = state.deliveries.pop_front() else {
            let closed = state.closed;
            return Err(if closed {
                RecvTimeoutError::Disconnected
            } else {
                RecvTimeoutError::Timeout
            });
        };
        let bytes = delivery.batch.size_bytes();
        state.bytes -= bytes;
        drop(state);
        metrics.held(-(bytes as i64), -(delivery.batch.len() as i64));
        emptied.notify_one();
        Ok(delivery)
    }
}

impl Drop for Consumer {
    /// The sink is gone: what is left is dropped, counted, and nobody waits for room any more.
    fn drop(&mut self) {
        self.0.close();
        let left = std::mem::take(&mut self.0.lock().deliveries);
        for Delivery { batch, .. } in left {
            self.0.metrics.held(-(batch.size_bytes() as i64), -(batch.len() as i64));
            self.0.metrics.dropped(DropReason::Closed, batch.len());
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
