//! The thread that brings batches from memory to the disk, and makes them durable together.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Sequence;
use super::codec;
use super::frame::{self, HEADER_BYTES, PROLOGUE_BYTES};
use super::state::{Entry, Shared, State};
use crate::buffer::metrics::{DiskOperation, DropReason};
use crate::record::Batch;

/// How long after a failure of the disk, or without room on it, it is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// How long nothing has to fail until the disk is well again: one that is full takes a little now and then.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// The one that writes.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: File,
    random: RandomState,
    current: Option<Current>,
    /// The frame that is written next, and its number.
    frame: Vec<u8>,
    encoded: Option<Sequence>,
    synced_at: Option<Instant>,
    failing: Option<Outage>,
    retry_at: Option<Instant>,
}

/// The segment that frames are added to.
#[derive(Debug)]
struct Current {
    file: File,
    seed: u64,
    /// Frames end here.
    end: u64,
    /// What is before here is durable.
    durable: u64,
}

/// Since when the disk fails, and when it failed last.
#[derive(Debug)]
struct Outage {
    since: Instant,
    last: Instant,
}

enum Task {
    Write(Sequence, Arc<Batch>),
    Sync,
    End,
}

type Failure = (DiskOperation, io::Error);

impl Writer {
    /// `directory` is the buffer's, opened.
    pub(super) fn new(shared: Arc<Shared>, directory: File) -> Self {
        Self {
            shared,
            directory,
            random: RandomState::new(),
            current: None,
            frame: Vec::new(),
            encoded: None,
            synced_at: None,
            failing: None,
            retry_at: None,
        }
    }

    /// Runs until the buffer is closed and all is durable or delivered; when the sink is gone, a last attempt is the last.
    pub(super) fn run(mut self) {
        loop {
            let result = match self.next_task() {
                Task::Write(sequence, batch) => self.write(sequence, &batch),
                Task::Sync => self.sync(),
                Task::End => break,
            };
            match result {
                Ok(()) => {}
                Err((operation, error)) => self.fail(operation, &error),
            }
        }
        if let Err((operation, error)) = self.seal() {
            self.fail(operation, &error);
        }
    }

    fn unsynced_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.end - current.durable)
    }

    fn next_task(&mut self) -> Task {
        let shared = Arc::clone(&self.shared);
        let unsynced_bytes = self.unsynced_bytes();
        let mut state = shared.lock();
        loop {
            if let Some(left) =
                self.retry_at.and_then(|at| at.checked_duration_since(Instant::now()))
            {
                if state.is_abandoned {
                    return Task::End;
                }
                state = shared.wait(state, left);
                continue;
            }
            // What the sink is done with already need not be written.
            state.written = state.written.max(state.delivered);
            let due = self.synced_at.map_or(Duration::ZERO, |at| {
                shared.disk.sync_interval.saturating_sub(at.elapsed())
            });
            let is_much = unsynced_bytes >= shared.settings.max_bytes as u64 / 2;
            let is_soon = is_much || state.is_pressed || due.is_zero();
            if unsynced_bytes > 0 && is_soon {
                return Task::Sync;
            }
            if let Some(batch) = state.held(state.written) {
                return Task::Write(state.written, Arc::clone(batch));
            }
            if unsynced_bytes == 0 {
                // All of it was delivered before it was written.
                state.durable = state.written;
                if state.is_closed {
                    return Task::End;
                }
            } else if state.is_closed {
                return Task::Sync;
            }
            state = shared.wait(state, if unsynced_bytes > 0 { due } else { Duration::MAX });
        }
    }

    fn write(&mut self, sequence: Sequence, batch: &Batch) -> Result<(), Failure> {
        if self.encoded != Some(sequence) {
            self.frame.clear();
            self.frame.resize(HEADER_BYTES, 0);
            codec::encode(batch, &mut self.frame);
            self.encoded = Some(sequence);
        }
        let bytes = self.frame.len() as u64;
        let segment_bytes = self.shared.disk.segment_bytes();
        if self.current.as_ref().is_some_and(|current| current.end + bytes > segment_bytes) {
            self.seal()?;
        }
        let opening = if self.current.is_some() { 0 } else { PROLOGUE_BYTES as u64 };
        let max_bytes = self.shared.disk.max_bytes;
        let has_room = |state: &State| {
            state.disk_bytes == 0 || state.disk_bytes + opening + bytes <= max_bytes
        };
        if !self.shared.progress(has_room) {
            return self.wait_for_room(sequence, has_room);
        }
        if self.current.is_none() {
            self.current = Some(self.begin(sequence)?);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        if !frame::seal(&mut self.frame, sequence, current.seed) {
            self.shared.metrics.dropped(DropReason::TooLarge, batch.len());
            self.shared.advance(|state| state.written = sequence + 1);
            return Ok(());
        }
        let written = self.shared.files.write_at(&current.file, &self.frame, current.end);
        written.map_err(|error| (DiskOperation::Write, error))?;
        current.end += bytes;
        self.shared.advance(|state| {
            state.written = sequence + 1;
            state.grew(bytes);
        });
        self.recovered();
        Ok(())
    }

    /// Waits until segments are deleted. All of them can be when the last one is sealed.
    fn wait_for_room(
        &mut self,
        sequence: Sequence,
        has_room: impl Fn(&State) -> bool,
    ) -> Result<(), Failure> {
        self.seal()?;
        let shared = Arc::clone(&self.shared);
        let state = shared.lock();
        if has_room(&state) || state.delivered > sequence {
            return Ok(());
        }
        if state.is_abandoned {
            // Nobody will make room.
            self.retry_at = Some(Instant::now() + RETRY);
        } else {
            drop(shared.wait(state, RETRY));
        }
        Ok(())
    }

    fn begin(&mut self, first: Sequence) -> Result<Current, Failure> {
        let shared = &self.shared;
        let path = shared.path_of(first);
        let seed = self.random.hash_one((first, Instant::now()));
        let file = shared.files.open(&path).map_err(|error| (DiskOperation::Create, error))?;
        let begun = shared.files.write_at(&file, &frame::prologue(seed), 0);
        let synced = begun.and_then(|()| shared.files.sync(&file));
        if let Err(error) = synced.and_then(|()| shared.files.sync(&self.directory)) {
            // It would be taken for one that was torn: deleted when the buffer is opened next, if not now.
            let _later = shared.files.remove(&path);
            return Err((DiskOperation::Create, error));
        }
        let bytes = PROLOGUE_BYTES as u64;
        shared.advance(|state| {
            state.segments.push_back(Entry { first, end: None, bytes: 0 });
            state.grew(bytes);
        });
        Ok(Current { file, seed, end: bytes, durable: bytes })
    }

    /// Makes durable what is written. If that fails nobody knows which of it is: all of it is written again.
    fn sync(&mut self) -> Result<(), Failure> {
        self.synced_at = Some(Instant::now());
        let Some(current) = &mut self.current else { return Ok(()) };
        let synced = self.shared.files.sync(&current.file);
        match synced {
            Ok(()) => {
                current.durable = current.end;
                self.shared.advance(|state| {
                    state.durable = state.written;
                    state.is_pressed = false;
                });
                self.recovered();
                Ok(())
            }
            Err(error) => {
                let again = current.end - current.durable;
                current.end = current.durable;
                self.shared.advance(|state| state.rewind(again));
                Err((DiskOperation::Sync, error))
            }
        }
    }

    /// Ends the current segment, so that it can be deleted.
    fn seal(&mut self) -> Result<(), Failure> {
        if self.unsynced_bytes() > 0 {
            self.sync()?;
        }
        if self.current.take().is_some() {
            self.shared.advance(State::seal);
        }
        Ok(())
    }

    fn fail(&mut self, operation: DiskOperation, error: &io::Error) {
        let now = Instant::now();
        self.shared.metrics.disk_error(operation);
        self.retry_at = Some(now + RETRY);
        if let Some(outage) = &mut self.failing {
            outage.last = now;
        } else {
            self.failing = Some(Outage { since: now, last: now });
            let directory = self.shared.disk.directory.display();
            warn!(
                %directory, operation = operation.as_str(), %error,
                "the disk buffer cannot be written; batches wait in memory and are tried again"
            );
        }
    }

    fn recovered(&mut self) {
        self.retry_at = None;
        let is_over = |outage: &mut Outage| outage.last.elapsed() >= WELL_AFTER;
        if let Some(Outage { since, last }) = self.failing.take_if(is_over) {
            let directory = self.shared.disk.directory.display();
            let outage_seconds = last.duration_since(since).as_secs_f64();
            info!(%directory, outage_seconds, "the disk buffer is written again");
        }
    }
}
