//! Between lines and a sink: what waits, and the way back.
//!
//! Each sink has a buffer of its own, so that a slow one holds its own records and has its own place in their order.
//! [`Buffer`] is the capture thread's end, [`Consumer`] the sink's, [`Progress`] that of whoever wants to know what is safe:
//! a checkpoint, a shutdown. It is in memory alone, or on a disk as well, where it outlives the process.
//!
//! A batch is of many containers, and buffers do not tell them apart. When the capture thread waits, the kernel's ring fills
//! up, and there each container has a share: one that floods it loses its own lines, and each loss is counted for the
//! container that wrote.
//!
//! How records reach a destination is not here.

pub mod disk;
mod ledger;
mod memory;
mod metrics;
mod queue;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

pub use disk::{Error, Settings as DiskSettings};
pub use metrics::Metrics;

use crate::record::{Batch, BatchId, Delivery};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Memory of the batches that wait, in bytes; with a disk, of those that wait for it as well. A batch larger than that
    /// passes when nothing waits. Default: 16 MiB. At least 1.
    pub max_bytes: usize,
    /// What happens to a batch that finds no room in memory, nor, with a disk, there. Default: it waits.
    pub when_full: WhenFull,
    /// Batches that the sink has or, without a disk, will get; one more waits, as for room. Costs some 32 bytes each.
    /// Default: 65 536. At least 1.
    pub max_open_batches: usize,
    /// The disk. Default: none, memory alone.
    pub disk: Option<DiskSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            when_full: WhenFull::Block,
            max_open_batches: 65_536,
            disk: None,
        }
    }
}

/// Hands batches to a sink. One thread pushes, another may close.
#[derive(Debug)]
pub struct Buffer(Ends<memory::Producer, disk::Producer>);

/// The end that a sink takes batches from.
#[derive(Debug)]
pub struct Consumer(Ends<queue::Consumer, Box<disk::Consumer>>);

/// How far the batches are safe. Any number of clones may look.
#[derive(Clone, Debug)]
pub struct Progress(Ends<memory::Progress, disk::Producer>);

#[derive(Clone, Debug)]
enum Ends<M, D> {
    Memory(M),
    Disk(D),
}

impl Buffer {
    /// Makes the buffer before the sink called `name`, and the sink's end of it. Batches that an earlier run left on the
    /// disk come out first.
    pub fn open(
        name: &str,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Result<(Self, Consumer), Error> {
        let (settings, metrics) = (settings.clone(), metrics.queue(name));
        Ok(if let Some(disk) = settings.disk.clone() {
            let (producer, consumer) = disk::open(settings, disk, metrics)?;
            (Self(Ends::Disk(producer)), Consumer(Ends::Disk(Box::new(consumer))))
        } else {
            let (producer, consumer) = memory::open(settings, metrics);
            (Self(Ends::Memory(producer)), Consumer(Ends::Memory(consumer)))
        })
    }

    /// Hands `batch` to the sink, in order. Waits while the buffer is full and blocks. An empty batch is nothing.
    pub fn push(&self, batch: &Arc<Batch>) {
        match &self.0 {
            _ if batch.is_empty() => {}
            Ends::Memory(producer) => producer.push(batch),
            Ends::Disk(producer) => producer.push(batch),
        }
    }

    /// How far the batches are safe.
    pub fn progress(&self) -> Progress {
        Progress(match &self.0 {
            Ends::Memory(producer) => Ends::Memory(producer.progress()),
            Ends::Disk(producer) => Ends::Disk(producer.clone()),
        })
    }

    /// Lets nothing more in, and wakes a waiting [`Buffer::push`]. What is in it comes out.
    pub fn close(&self) {
        match &self.0 {
            Ends::Memory(producer) => producer.close(),
            Ends::Disk(producer) => producer.close(),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Consumer {
    /// The oldest delivery; waits for one for up to `timeout`. Disconnected: closed, and empty.
    pub fn pop(&mut self, timeout: Duration) -> Result<Delivery, RecvTimeoutError> {
        match &mut self.0 {
            Ends::Memory(consumer) => consumer.pop(timeout),
            Ends::Disk(consumer) => consumer.pop(timeout),
        }
    }

    /// Another sink goes on: what the last one took and was not done with comes again. Without a disk, it does not.
    pub fn rewind(&mut self) {
        match &mut self.0 {
            Ends::Memory(_) => {}
            Ends::Disk(consumer) => consumer.rewind(),
        }
    }
}

impl Progress {
    /// How many batches were handed to the sink so far.
    pub fn handed(&self) -> BatchId {
        match &self.0 {
            Ends::Memory(progress) => progress.with(|ledger| ledger.handed()),
            Ends::Disk(producer) => producer.handed(),
        }
    }

    /// All batches before this one are safe: the sink is done with them, or they are on the disk for good. What was handed
    /// before a checkpoint was taken is safe when this has reached [`Progress::handed`] of then.
    pub fn passed(&self) -> BatchId {
        match &self.0 {
            Ends::Memory(progress) => progress.with(|ledger| ledger.passed()),
            Ends::Disk(producer) => producer.passed(),
        }
    }

    /// Batches and records that are not safe yet.
    pub fn unacknowledged(&self) -> (usize, usize) {
        match &self.0 {
            Ends::Memory(progress) => {
                progress.with(|ledger| (ledger.open_batches(), ledger.unacknowledged_records()))
            }
            Ends::Disk(producer) => producer.unacknowledged(),
        }
    }
}
