//! Between lines and a sink: what waits, and the way back.
//!
//! Each sink has a buffer of its own, so that a slow one holds its own records and has its own place in their order. [`Buffer`] is the
//! capture thread's end, [`Consumer`] the sink's, [`Progress`] that of whoever wants to know what is delivered: a
//! checkpoint, a shutdown. Memory alone, bounded twice: bytes that wait, batches that the sink is not done with.
//!
//! How records reach a destination is not here.

mod ledger;
mod metrics;
mod queue;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

pub use ledger::Ledger;
pub use metrics::Metrics;
pub use queue::Consumer;
use queue::Producer;

use crate::record::{Batch, BatchId, Delivery, Receipt};

/// What happens to a batch that finds no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits, and all that is captured after it: for every sink. The kernel's ring buffer bridges a short wait; a
    /// long one becomes counted losses there.
    #[default]
    Block,
    /// It is dropped for this sink, counted, and counts as delivered: other sinks go on.
    DropNewest,
}

/// What a sink's buffer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Memory of the batches that wait, in bytes. A batch larger than that passes when nothing waits. Default: 16 MiB.
    /// At least 1.
    pub max_bytes: usize,
    /// What happens to a batch that finds no room. Default: it waits.
    pub when_full: WhenFull,
    /// Batches that the sink is not done with; one more waits, as for room. Costs some 32 bytes each. Default: 65 536.
    /// At least 1.
    pub max_open_batches: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_bytes: 16 << 20, when_full: WhenFull::Block, max_open_batches: 65_536 }
    }
}

/// Hands batches to a sink. One thread pushes, another may close.
#[derive(Debug)]
pub struct Buffer {
    queue: Producer,
    acknowledge: Sender<BatchId>,
    progress: Progress,
    closed: AtomicBool,
}

/// What the sink is done with. Any number of clones may look.
#[derive(Clone, Debug)]
pub struct Progress {
    ledger: Arc<Mutex<Ledger>>,
    /// Has room for every acknowledgement that can be under way, so that the sink never waits to give one.
    acknowledged: Receiver<BatchId>,
}

impl Buffer {
    /// Makes the buffer before the sink called `name`, and the sink's end of it.
    pub fn new(name: &str, settings: Settings, metrics: &Metrics) -> (Self, Consumer) {
        let (queue, consumer) = queue::bounded(settings, metrics.queue(name));
        let max_open = settings.max_open_batches.max(1);
        let (acknowledge, acknowledged) = bounded(max_open);
        let ledger = Arc::new(Mutex::new(Ledger::new(max_open)));
        let progress = Progress { ledger, acknowledged };
        (Self { queue, acknowledge, progress, closed: AtomicBool::new(false) }, consumer)
    }

    /// Hands `batch` to the sink, in order. Waits while the buffer is full and blocks. An empty batch is nothing.
    pub fn push(&self, batch: &Arc<Batch>) {
        if batch.is_empty() {
            return;
        }
        let Some(id) = self.progress.open(batch.len(), &self.closed) else {
            return self.queue.refuse(batch.len());
        };
        let receipt = Receipt::new(id, self.acknowledge.clone());
        self.queue.push(Delivery { batch: Arc::clone(batch), receipt });
    }

    /// What the sink is done with.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Lets nothing more in, and wakes a waiting [`Buffer::push`]. What is in it comes out.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.close();
    }
}

impl Progress {
    /// How many batches were handed to the sink so far.
    pub fn handed(&self) -> BatchId {
        self.with(|ledger| ledger.handed())
    }

    /// All batches before this one are done with. What was handed before a checkpoint was taken is delivered when this has
    /// reached [`Progress::handed`] of then.
    pub fn passed(&self) -> BatchId {
        self.with(|ledger| ledger.passed())
    }

    /// Batches and records that the sink is not done with.
    pub fn unacknowledged(&self) -> (usize, usize) {
        self.with(|ledger| (ledger.open_batches(), ledger.unacknowledged_records()))
    }

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
    fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in self.acknowledged.try_iter() {
            ledger.acknowledge(batch);
        }
        look(&mut ledger)
    }
}
