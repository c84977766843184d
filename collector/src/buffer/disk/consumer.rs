//! The sink's end: batches from memory or from segments, in order, and what is done with goes.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tracing::warn;

use super::Sequence;
use super::cursor::Cursor;
use super::reader::Reader;
use super::state::Shared;
use crate::buffer::ledger::Ledger;
use crate::buffer::metrics::DiskOperation;
use crate::record::{Batch, BatchId, Delivery, Receipt};

/// How often it is noted how far the sink is.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);

/// The sink's end of a disk buffer.
#[derive(Debug)]
pub(in crate::buffer) struct Consumer {
    shared: Arc<Shared>,
    reader: Reader,
    books: Books,
    cursor: Cursor,
    saved_at: Option<Instant>,
    is_cursor_failing: bool,
    writer: Option<JoinHandle<()>>,
    /// Held until the last is written.
    _lock: File,
}

/// What the sink has, and is done with.
#[derive(Debug)]
struct Books {
    ledger: Ledger,
    /// Numbers of the batches that the sink has, oldest first; the ledger counts from 0 in each run, and damage leaves gaps.
    open: VecDeque<Sequence>,
    acknowledge: Sender<BatchId>,
    acknowledged: Receiver<BatchId>,
}

impl Books {
    fn new(max_open: usize) -> Self {
        let max_open = max_open.max(1);
        let (acknowledge, acknowledged) = bounded(max_open);
        Self { ledger: Ledger::new(max_open), open: VecDeque::new(), acknowledge, acknowledged }
    }

    fn is_full(&self) -> bool {
        self.ledger.is_full()
    }

    fn open(&mut self, sequence: Sequence, batch: Arc<Batch>) -> Option<Delivery> {
        let id = self.ledger.opened(batch.len())?;
        self.open.push_back(sequence);
        Some(Delivery { batch, receipt: Receipt::new(id, self.acknowledge.clone()) })
    }

    fn acknowledge(&mut self, batch: BatchId) {
        self.ledger.acknowledge(batch);
    }

    /// Takes note of acknowledgements. Returns the last batch that is passed by them.
    fn passed(&mut self) -> Option<Sequence> {
        while let Ok(batch) = self.acknowledged.try_recv() {
            self.ledger.acknowledge(batch);
        }
        let passed = self.open.len() - self.ledger.open_batches();
        self.open.drain(..passed).next_back()
    }
}

impl Consumer {
    pub(super) fn new(
        shared: &Arc<Shared>,
        cursor: Cursor,
        writer: JoinHandle<()>,
        lock: File,
    ) -> Self {
        Self {
            reader: Reader::new(Arc::clone(shared)),
            books: Books::new(shared.settings.max_open_batches),
            shared: Arc::clone(shared),
            cursor,
            saved_at: None,
            is_cursor_failing: false,
            writer: Some(writer),
            _lock: lock,
        }
    }

    /// See [`crate::buffer::Consumer::pop`].
    pub(in crate::buffer) fn pop(
        &mut self,
        timeout: Duration,
    ) -> Result<Delivery, RecvTimeoutError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.settle();
            if self.books.is_full() {
                let batch = self.books.acknowledged.recv_deadline(deadline)?;
                self.books.acknowledge(batch);
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            let sequence = state.next;
            if let Some(batch) = state.held(sequence).map(Arc::clone) {
                state.next += 1;
                drop(state);
                shared.advance(|_| {});
                return self.deliver(sequence, batch);
            }
            if sequence < state.first() {
                let in_memory = state.first();
                drop(state);
                match self.reader.next(sequence) {
                    Ok(Some((sequence, batch))) => {
                        shared.advance(|state| state.next = sequence + 1);
                        return self.deliver(sequence, batch);
                    }
                    // Whatever was there is damaged.
                    Ok(None) => shared.advance(|state| state.next = state.next.max(in_memory)),
                    Err(_counted) => std::thread::sleep(SAVE_INTERVAL.min(timeout)),
                }
                continue;
            }
            if state.is_closed {
                return Err(RecvTimeoutError::Disconnected);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            // Acknowledgements come meanwhile, and are to be noted.
            drop(shared.filled.wait_timeout(state, left.min(SAVE_INTERVAL)));
        }
    }

    /// See [`crate::buffer::Consumer::rewind`].
    pub(in crate::buffer) fn rewind(&mut self) {
        self.settle();
        self.books = Books::new(self.shared.settings.max_open_batches);
        self.reader.rewind();
        self.shared.advance(|state| state.next = state.delivered);
    }

    fn deliver(
        &mut self,
        sequence: Sequence,
        batch: Arc<Batch>,
    ) -> Result<Delivery, RecvTimeoutError> {
        // Never full: that was looked at before.
        self.books.open(sequence, batch).ok_or(RecvTimeoutError::Timeout)
    }

    /// Takes note of what the sink is done with, deletes what nobody needs any more, and saves the cursor.
    fn settle(&mut self) {
        if let Some(last) = self.books.passed() {
            self.shared.advance(|state| state.delivered = last + 1);
        }
        if self.saved_at.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL) {
            self.saved_at = Some(Instant::now());
            self.save();
        }
        self.delete();
    }

    fn save(&mut self) {
        let delivered = self.shared.progress(|state| state.delivered);
        match self.cursor.save(delivered) {
            Ok(()) => self.is_cursor_failing = false,
            Err(error) => {
                self.shared.metrics.disk_error(DiskOperation::Cursor);
                if !self.is_cursor_failing {
                    self.is_cursor_failing = true;
                    let directory = self.shared.disk.directory.display();
                    warn!(%directory, %error, "failed to note what is delivered; it is tried again");
                }
            }
        }
    }

    fn delete(&mut self) {
        let needless = self.shared.lock().pop_needless();
        for segment in &needless {
            if let Err(error) = self.shared.files.remove(&self.shared.path_of(segment.first)) {
                self.shared.metrics.disk_error(DiskOperation::Remove);
                let directory = self.shared.disk.directory.display();
                warn!(%directory, %error, "failed to delete a segment; the next start does");
            }
        }
        let bytes = needless.iter().map(|segment| segment.bytes).sum::<u64>();
        if bytes > 0 {
            self.shared.advance(|state| state.disk_bytes -= bytes);
        }
    }
}

impl Drop for Consumer {
    /// The sink is gone: nothing more goes in, and what is in memory goes to the disk for the next one.
    fn drop(&mut self) {
        self.settle();
        self.shared.close(true);
        if let Some(Err(_panicked)) = self.writer.take().map(JoinHandle::join) {
            warn!("the thread of a disk buffer has panicked");
        }
        self.saved_at = None;
        self.settle();
        if let Err(error) = self.cursor.sync() {
            let directory = self.shared.disk.directory.display();
            warn!(%directory, %error, "failed to make durable what is delivered");
        }
        self.shared.drop_unsettled();
    }
}
