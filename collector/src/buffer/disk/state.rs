//! What the three ends of a disk buffer know of each other. Batches are numbered on from run to run:
//!
//! ```text
//!            delivered        next
//!  segments ─────┴──────────────┴──────┬ durable ┬ written
//!  memory              first ──────────┴─────────┴─────────┴ handed
//! ```
//!
//! Memory holds what is not durable yet, and as much of the rest as there is room for: a sink that keeps up never reads
//! from the disk, and a disk that fails leaves it a buffer in memory.

use std::collections::VecDeque;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Sequence;
use super::directory::Found;
use super::files::Files;
use crate::buffer::metrics::{DropReason, QueueMetrics};
use crate::buffer::{Settings, WhenFull};
use crate::record::{Batch, BatchId};

/// A segment in the directory.
#[derive(Debug)]
pub(super) struct Entry {
    /// Number of its first frame, by which the file is named.
    pub(super) first: Sequence,
    /// The frames are before this one; nothing while more are added.
    pub(super) end: Option<Sequence>,
    pub(super) bytes: u64,
}

/// Numbers, and the batches in memory.
#[derive(Debug)]
pub(super) struct State {
    /// Batches from `first` on.
    memory: VecDeque<Arc<Batch>>,
    first: Sequence,
    bytes: usize,
    /// The writer has done all before this.
    pub(super) written: Sequence,
    /// All before this survives a crash of the system.
    pub(super) durable: Sequence,
    /// The sink is done with all before this.
    pub(super) delivered: Sequence,
    /// What the sink gets next.
    pub(super) next: Sequence,
    /// What was there when the buffer was opened is before this.
    pub(super) base: Sequence,
    pub(super) segments: VecDeque<Entry>,
    pub(super) disk_bytes: u64,
    /// A batch found no room in memory: what is written should become durable soon.
    pub(super) is_pressed: bool,
    pub(super) is_closed: bool,
    /// The sink is gone.
    pub(super) is_abandoned: bool,
}

impl State {
    pub(super) fn new(found: Found) -> Self {
        let Found { next, end, segments } = found;
        Self {
            memory: VecDeque::new(),
            first: end,
            bytes: 0,
            written: end,
            durable: end,
            delivered: next,
            next,
            base: end,
            disk_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            segments,
            is_pressed: false,
            is_closed: false,
            is_abandoned: false,
        }
    }

    /// The number that the next batch gets.
    pub(super) fn handed(&self) -> Sequence {
        self.first + self.memory.len() as Sequence
    }

    /// All before this is durable, or the sink is done with it.
    pub(super) fn settled(&self) -> Sequence {
        self.durable.max(self.delivered)
    }

    /// The first that memory has.
    pub(super) fn first(&self) -> Sequence {
        self.first
    }

    /// A batch that memory has.
    pub(super) fn held(&self, sequence: Sequence) -> Option<&Arc<Batch>> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.memory.get(index)
    }

    /// Batches and records that are neither durable nor delivered.
    pub(super) fn unsettled(&self) -> (usize, usize) {
        let settled = self.settled().saturating_sub(self.first) as usize;
        let records = self.memory.iter().skip(settled).map(|batch| batch.len());
        (records.len(), records.sum())
    }

    /// The newest segment has so much more.
    pub(super) fn grew(&mut self, bytes: u64) {
        self.disk_bytes += bytes;
        if let Some(newest) = self.segments.back_mut() {
            newest.bytes += bytes;
        }
    }

    /// What was written since it was last made durable, `bytes` of the newest segment, is written again.
    pub(super) fn rewind(&mut self, bytes: u64) {
        self.written = self.settled();
        self.disk_bytes -= bytes;
        if let Some(newest) = self.segments.back_mut() {
            newest.bytes -= bytes;
        }
    }

    /// Nothing more is added to the newest segment.
    pub(super) fn seal(&mut self) {
        let end = self.written;
        if let Some(newest) = self.segments.back_mut() {
            newest.end = Some(end);
        }
    }

    /// Takes out the segments of which nothing is needed.
    pub(super) fn pop_needless(&mut self) -> Vec<Entry> {
        let delivered = self.delivered;
        let is_needless = |segment: &mut Entry| segment.end.is_some_and(|end| end <= delivered);
        iter::from_fn(|| self.segments.pop_front_if(is_needless)).collect()
    }

    fn pop(&mut self, metrics: &QueueMetrics) {
        if let Some(batch) = self.memory.pop_front() {
            self.first += 1;
            self.bytes -= batch.size_bytes();
            metrics.held(-(batch.size_bytes() as i64), -(batch.len() as i64));
        }
    }

    /// Lets go of what nobody needs any more.
    fn trim(&mut self, metrics: &QueueMetrics) {
        let needless = self.delivered.max(self.durable.min(self.next));
        while self.first < needless && !self.memory.is_empty() {
            self.pop(metrics);
        }
    }

    /// Whether `bytes` more fit, when what is on the disk is let go of.
    fn makes_room(&mut self, bytes: usize, max_bytes: usize, metrics: &QueueMetrics) -> bool {
        let is_over = |state: &Self| state.bytes.saturating_add(bytes) > max_bytes;
        while is_over(self) && self.first < self.settled() && !self.memory.is_empty() {
            self.pop(metrics);
        }
        !is_over(self) || self.memory.is_empty()
    }
}

/// What the ends share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) disk: super::Settings,
    pub(super) metrics: QueueMetrics,
    pub(super) files: Arc<dyn Files>,
    pub(super) state: Mutex<State>,
    /// For the sink: there is something, or nothing will be.
    pub(super) filled: Condvar,
    /// For the writer.
    pub(super) work: Condvar,
    /// For whoever pushes.
    pub(super) room: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of the segment that begins with `first`.
    pub(super) fn path_of(&self, first: Sequence) -> PathBuf {
        path_of(&self.disk.directory, first)
    }

    pub(super) fn push(&self, batch: &Arc<Batch>) {
        let (bytes, records) = (batch.size_bytes(), batch.len());
        let Settings { max_bytes, when_full, .. } = self.settings;
        let mut state = self.lock();
        if !state.is_closed && !state.makes_room(bytes, max_bytes, &self.metrics) {
            state.is_pressed = true;
            self.work.notify_one();
            if when_full == WhenFull::DropNewest {
                return self.metrics.dropped(DropReason::QueueFull, records);
            }
            let since = Instant::now();
            let is_full = |state: &mut State| {
                !state.is_closed && !state.makes_room(bytes, max_bytes, &self.metrics)
            };
            state = self.room.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
            self.metrics.blocked(since.elapsed());
        }
        if state.is_closed {
            return self.metrics.dropped(DropReason::Closed, records);
        }
        state.bytes += bytes;
        state.memory.push_back(Arc::clone(batch));
        self.metrics.held(bytes as i64, records as i64);
        drop(state);
        self.work.notify_one();
        self.filled.notify_one();
    }

    /// Takes note of how far the disk or the sink has come.
    pub(super) fn advance(&self, note: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        note(&mut state);
        state.trim(&self.metrics);
        self.metrics.on_disk(state.disk_bytes);
        drop(state);
        self.room.notify_all();
        self.work.notify_one();
    }

    pub(super) fn close(&self, is_abandoned: bool) {
        let mut state = self.lock();
        state.is_closed = true;
        state.is_abandoned |= is_abandoned;
        drop(state);
        self.filled.notify_all();
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Drops what nobody will take or write any more, and counts it.
    pub(super) fn drop_unsettled(&self) {
        let mut state = self.lock();
        let (_, records) = state.unsettled();
        while !state.memory.is_empty() {
            state.pop(&self.metrics);
        }
        drop(state);
        if records > 0 {
            self.metrics.dropped(DropReason::Closed, records);
        }
    }

    /// Waits for work, at most so long.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        self.work.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn progress<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// How many batches of this run are before `sequence`.
    pub(super) fn of_this_run(state: &State, sequence: Sequence) -> BatchId {
        sequence.saturating_sub(state.base)
    }
}

/// The file in `directory` of the segment that begins with `first`.
pub(super) fn path_of(directory: &Path, first: Sequence) -> PathBuf {
    directory.join(format!("{first:020}.segment"))
}
