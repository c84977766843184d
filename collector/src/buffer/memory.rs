//! The buffer in memory: a queue, and books of what the sink is done with. It ends with the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Settings;
use super::ledger::Ledger;
use super::metrics::QueueMetrics;
use super::queue::{self, Consumer};
use crate::record::{Batch, BatchId, Delivery, Receipt};

/// The end that batches go in.
#[derive(Debug)]
pub(super) struct Producer {
    queue: queue::Producer,
    acknowledge: Sender<BatchId>,
    progress: Progress,
    closed: AtomicBool,
}

/// What the sink is done with.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    ledger: Arc<Mutex<Ledger>>,
    /// Has room for every acknowledgement that can be under way, so that the sink never waits to give one.
    acknowledged: Receiver<BatchId>,
}

/// Makes the buffer.
pub(super) fn open(settings: Settings, metrics: QueueMetrics) -> (Producer, Consumer) {
    let max_open = settings.max_open_batches.max(1);
    let (queue, consumer) = queue::bounded(settings, metrics);
    let (acknowledge, acknowledged) = bounded(max_open);
    let ledger = Arc::new(Mutex::new(Ledger::new(max_open)));
    let progress = Progress { ledger, acknowledged };
    (Producer { queue, acknowledge, progress, closed: AtomicBool::new(false) }, consumer)
}

impl Producer {
    pub(super) fn push(&self, batch: &Arc<Batch>) {
        let Some(id) = self.progress.open(batch.len(), &self.closed) else {
            return self.queue.refuse(batch.len());
        };
        let receipt = Receipt::new(id, self.acknowledge.clone());
        self.queue.push(Delivery { batch: Arc::clone(batch), receipt });
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.close();
    }
}

impl Progress {
    /// Books a batch of `records`, when few enough are open; not after `closed`.
    fn open(&self, records: usize, closed: &AtomicBool) -> Option<BatchId> {
        /// How long to wait for an acknowledgement at a time: another clone may have taken the one that matters.
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        while !closed.load(Ordering::Acquire) {
            if let Some(id) = self.with(|ledger| ledger.opened(records)) {
                return Some(id);
            }
            if let Ok(batch) = self.acknowledged.recv_timeout(LOOK_AGAIN) {
                self.with(|ledger| ledger.acknowledge(batch));
            }
        }
        None
    }

    /// Looks at the ledger with all acknowledgements so far.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in self.acknowledged.try_iter() {
            ledger.acknowledge(batch);
        }
        look(&mut ledger)
    }
}
