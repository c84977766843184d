//! Between lines and sinks: every batch goes to every sink's queue, and the way back is kept account of.
//!
//! [`Buffer`] is the capture thread's end, [`Consumer`] a sink's, [`Progress`] that of whoever wants to know what is delivered:
//! a checkpoint, a shutdown. Memory alone, bounded twice: bytes in each queue, batches that some sink is not done with.
//!
//! How records reach a destination is not here.

mod ledger;
mod metrics;
mod queue;
#[cfg(test)]
mod samples;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use ledger::{Ledger, MAX_SINKS, Position, Positions};
pub use metrics::Metrics;
use queue::Producer;
pub use queue::{Consumer, Settings as QueueSettings, WhenFull};

use crate::record::{Acknowledgement, Batch, BatchId, ContainerId, Delivery, Receipt};

/// What the buffer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sinks' names and queues, in the order of their indexes. At most [`MAX_SINKS`].
    pub sinks: Vec<(String, QueueSettings)>,
    /// Batches that some sink is not done with; one more waits, as for room in a queue. Costs about 100 bytes each.
    /// Default: 65 536. At least 1.
    pub max_open_batches: usize,
}

impl Settings {
    /// The default of `max_open_batches`.
    pub const MAX_OPEN_BATCHES: usize = 65_536;
}

/// Why there is no buffer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More sinks than can be kept account of.
    #[error("{sinks} sinks are configured; at most {MAX_SINKS} are possible")]
    TooManySinks {
        /// How many.
        sinks: usize,
    },
}

/// Hands batches to all sinks. One thread pushes, another may close.
#[derive(Debug)]
pub struct Buffer {
    queues: Vec<Producer>,
    acknowledge: Sender<Acknowledgement>,
    progress: Progress,
    closed: AtomicBool,
}

/// What the sinks are done with. Any number of clones may look.
#[derive(Clone, Debug)]
pub struct Progress {
    ledger: Arc<Mutex<Ledger>>,
    /// Has room for every acknowledgement that can be under way, so that no sink ever waits to give one.
    acknowledged: Receiver<Acknowledgement>,
}

impl Buffer {
    /// Makes the queues; the consumers are in the order of the sinks.
    pub fn new(settings: &Settings, metrics: &Metrics) -> Result<(Self, Vec<Consumer>), Error> {
        let Settings { sinks, max_open_batches } = settings;
        if sinks.len() > MAX_SINKS {
            return Err(Error::TooManySinks { sinks: sinks.len() });
        }
        let (queues, consumers) =
            sinks.iter().map(|(name, queue)| queue::bounded(*queue, metrics.queue(name))).unzip();
        let max_open = (*max_open_batches).max(1);
        let (acknowledge, acknowledged) = bounded(max_open.saturating_mul(sinks.len()).max(1));
        let ledger = Arc::new(Mutex::new(Ledger::new(sinks.len(), max_open)));
        let progress = Progress { ledger, acknowledged };
        Ok((Self { queues, acknowledge, progress, closed: AtomicBool::new(false) }, consumers))
    }

    /// Hands `batch` to every sink's queue, in order. Waits while a queue that blocks is full. An empty batch is nothing.
    pub fn push(&self, batch: &Arc<Batch>) {
        if batch.is_empty() {
            return;
        }
        let Some(id) = self.progress.open(batch, &self.closed) else {
            return self.queues.iter().for_each(|queue| queue.refuse(batch.len()));
        };
        for (sink, queue) in self.queues.iter().enumerate() {
            let acknowledgement = Acknowledgement { batch: id, sink };
            let receipt = Receipt::new(acknowledgement, self.acknowledge.clone());
            queue.push(Delivery { batch: Arc::clone(batch), receipt });
        }
    }

    /// What the sinks are done with.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Lets nothing more in, and wakes a waiting [`Buffer::push`]. What is in the queues comes out.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queues.iter().for_each(Producer::close);
    }
}

impl Progress {
    /// Up to where each stream is acknowledged by every sink.
    pub fn positions(&self) -> Positions {
        self.with(|ledger| ledger.positions().clone())
    }

    /// Batches and records that some sink is not done with.
    pub fn unacknowledged(&self) -> (usize, usize) {
        self.with(|ledger| (ledger.open_batches(), ledger.unacknowledged_records()))
    }

    /// Forgets the positions of a container that is gone.
    pub fn forget(&self, container: &ContainerId) {
        self.with(|ledger| ledger.forget(container));
    }

    /// Waits until every sink is done with every batch. Returns `false` at `deadline`.
    pub fn wait(&self, deadline: Instant) -> bool {
        while self.unacknowledged().0 > 0 {
            match self.acknowledged.recv_deadline(deadline) {
                Ok(acknowledgement) => self.with(|ledger| ledger.acknowledge(acknowledgement)),
                Err(_late) => return self.unacknowledged().0 == 0,
            }
        }
        true
    }

    /// Books `batch`, when few enough are open; not after `closed`.
    fn open(&self, batch: &Batch, closed: &AtomicBool) -> Option<BatchId> {
        /// How long to wait for an acknowledgement at a time: another clone may have taken the one that matters.
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        while !closed.load(Ordering::Acquire) {
            if let Some(id) = self.with(|ledger| ledger.opened(batch)) {
                return Some(id);
            }
            if let Ok(acknowledgement) = self.acknowledged.recv_timeout(LOOK_AGAIN) {
                self.with(|ledger| ledger.acknowledge(acknowledgement));
            }
        }
        None
    }

    /// Looks at the ledger with all acknowledgements so far.
    fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for acknowledgement in self.acknowledged.try_iter() {
            ledger.acknowledge(acknowledgement);
        }
        look(&mut ledger)
    }
}

#[cfg(test)]
mod tests;
