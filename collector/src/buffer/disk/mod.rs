//! A buffer that outlives the process, in a directory of its own.
//!
//! A batch goes into memory, and a thread writes it from there into the newest *segment*, a file that frames are only ever
//! added to, and makes what it wrote durable some times a second. The sink is served from memory while it keeps up, and
//! from the segments when it does not. What it is done with is noted in the *cursor*, and a segment of which nothing is
//! needed is deleted. So a batch is written once and mostly never read.
//!
//! | file | contents |
//! | --- | --- |
//! | `<number>.segment` | prologue, then frames; named by the number of the first frame |
//! | `cursor` | number of the first batch that the sink is not done with |
//!
//! What is damaged is passed over up to the next whole frame, and counted. What fails to be written stays in memory and is
//! tried again: as long as that goes on, this is a buffer in memory, and the sink gets its batches all the same.

mod codec;
mod consumer;
mod cursor;
mod directory;
mod files;
mod frame;
mod reader;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub use codec::{decode, encode};
pub(super) use consumer::Consumer;
use directory::Directory;
pub use directory::Error;
use files::{Files, RealFiles};
pub use segment::{Segment, Source, Step, UnknownVersion};
use state::{Shared, State};
use writer::Writer;

use super::metrics::QueueMetrics;
use crate::record::{Batch, BatchId};

/// Number of a batch, ascending over all runs.
pub type Sequence = u64;

/// Where a disk buffer is, and how much it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory, for this buffer alone. It is made if it is not there, readable by its owner only.
    pub directory: PathBuf,
    /// Size of all segments, in bytes. A batch that finds no room waits in memory. A batch larger than that is written when
    /// there is none before it. Default: 1 GiB. At least 1.
    pub max_bytes: u64,
    /// Size of a segment, in bytes: space is freed in such pieces. Not more than a quarter of `max_bytes` is taken; a batch
    /// larger than that has a segment of its own. Default: 64 MiB. At least 1.
    pub segment_bytes: u64,
    /// The longest that a written batch stays exposed to a crash of the system; several are made durable at once. With 0,
    /// each for itself. Default: 100 ms.
    pub sync_interval: Duration,
}

impl Settings {
    /// A buffer in `directory`, with the defaults.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            max_bytes: 1 << 30,
            segment_bytes: 64 << 20,
            sync_interval: Duration::from_millis(100),
        }
    }

    fn segment_bytes(&self) -> u64 {
        self.segment_bytes.min(self.max_bytes / 4)
    }
}

/// Opens the buffer.
pub(super) fn open(
    settings: super::Settings,
    disk: Settings,
    metrics: QueueMetrics,
) -> Result<(Producer, Consumer), Error> {
    open_with(Arc::new(RealFiles), settings, disk, metrics)
}

fn open_with(
    files: Arc<dyn Files>,
    settings: super::Settings,
    disk: Settings,
    metrics: QueueMetrics,
) -> Result<(Producer, Consumer), Error> {
    let Directory { lock, cursor, found } = Directory::open(&disk.directory, &files, &metrics)?;
    let state = State::new(found);
    metrics.on_disk(state.disk_bytes);
    let shared = Arc::new(Shared {
        settings,
        disk,
        metrics,
        files,
        state: Mutex::new(state),
        filled: Condvar::new(),
        work: Condvar::new(),
        room: Condvar::new(),
    });
    let failed = |source| Error::Thread { directory: shared.disk.directory.clone(), source };
    let writer = Writer::new(Arc::clone(&shared), lock.try_clone().map_err(failed)?);
    let thread = std::thread::Builder::new()
        .name("buffer".to_owned())
        .spawn(|| writer.run())
        .map_err(failed)?;
    let consumer = Consumer::new(&shared, cursor, thread, lock);
    Ok((Producer(shared), consumer))
}

/// The end that batches go in.
#[derive(Clone, Debug)]
pub(super) struct Producer(Arc<Shared>);

impl Producer {
    pub(super) fn push(&self, batch: &Arc<Batch>) {
        self.0.push(batch);
    }

    pub(super) fn close(&self) {
        self.0.close(false);
    }

    pub(super) fn handed(&self) -> BatchId {
        self.0.progress(|state| Shared::of_this_run(state, state.handed()))
    }

    pub(super) fn passed(&self) -> BatchId {
        self.0.progress(|state| Shared::of_this_run(state, state.settled()))
    }

    pub(super) fn unacknowledged(&self) -> (usize, usize) {
        self.0.progress(State::unsettled)
    }
}
