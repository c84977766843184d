//! The thread between the ring and the buffer: drains, makes lines, hands batches on. Everything that touches a line
//! before a sink happens here, so a line costs no hand-over between threads but that of its batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};
use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::outgoing::Outgoing;
use super::snapshot::{Keeper, Snapshot};
use super::stream::Output;
use super::table::Table;
use crate::buffer::Buffer;
use crate::capture::{Event, Reader};
use crate::identity::Change;
use crate::line;
use crate::record::{BatchSize, ContainerId, Timestamp};
use crate::state::Checkpoint;

/// Records taken from the ring before the clock is looked at again.
const DRAIN_RECORDS: usize = 4096;

/// How often what is due by time is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often captured lines are looked for in their logs, and a checkpoint is taken.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// How long to sleep when nothing is captured and logs are read.
const READ_AGAIN: Duration = Duration::from_millis(20);

/// The longest sleep when nothing is written and nothing waits: commands are looked at in between.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);

/// What the thread is told while it runs.
#[derive(Debug)]
pub(super) enum Command {
    /// From here on lines are made so, and batches go there.
    Replace {
        /// The buffers from here on; others are closed, and their sinks deliver what they hold.
        buffers: Vec<Arc<Buffer>>,
        /// The new rules for lines.
        line: line::Settings,
    },
    /// Nothing is captured from about this time on: what logs have after it was not.
    Detach(Timestamp),
    /// Empty the ring, end all lines, hand on the last batch, and return.
    Finish,
}

/// The thread's state.
pub(super) struct Pipeline {
    /// The ring's end; none when everything is read from logs.
    pub(super) reader: Option<Reader>,
    pub(super) table: Table,
    pub(super) buffers: Vec<Arc<Buffer>>,
    pub(super) line: line::Settings,
    pub(super) line_metrics: line::Metrics,
    pub(super) metrics: Metrics,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) commands: Receiver<Command>,
    /// New containers, when everything is read from logs.
    pub(super) discoveries: Option<Receiver<ContainerId>>,
    /// When the probe was detached, if it was.
    pub(super) detached: Option<Timestamp>,
    /// Stores checkpoints, if there is a state directory.
    pub(super) keeper: Option<Keeper>,
    pub(super) reconcile_interval: Duration,
    /// What the last batch held: the next one will be like it.
    pub(super) room: BatchSize,
}

impl Pipeline {
    /// Runs until [`Command::Finish`], or until nobody can send it any more. Gives back who stores the last checkpoint.
    pub(super) fn run(mut self) -> Option<Keeper> {
        let mut ticked = Instant::now();
        let (mut reconciled, mut anchored) = (ticked, ticked);
        let mut finish = false;
        self.with_output(Table::open);
        self.take_snapshot();
        loop {
            // Before commands are looked at: the probe may be detached right after.
            let began = Timestamp::now();
            finish |= self.obey();
            let is_empty = self.drain();
            let more = self.with_output(Table::read_logs);
            let now = Instant::now();
            if now.duration_since(ticked) >= TICK {
                ticked = now;
                self.with_output(|table, output| {
                    if is_empty {
                        table.flush_idle(began, output);
                    }
                    table.tick(output);
                });
                if let Some(keeper) = &mut self.keeper {
                    keeper.look();
                }
            }
            let is_attached = self.detached.is_none();
            if is_attached && is_empty && now.duration_since(anchored) >= CHECKPOINT {
                anchored = now;
                self.with_output(|table, output| table.anchor(began, output));
                self.take_snapshot();
            }
            // What is in the ring comes first: it may be the last bytes of a container that has gone.
            if is_empty && now.duration_since(reconciled) >= self.reconcile_interval {
                reconciled = now;
                self.with_output(Table::reconcile);
            }
            if is_empty && finish {
                break;
            }
            if is_empty && !more {
                self.wait();
            }
        }
        if let Some(detached) = self.detached {
            self.with_output(|table, output| table.anchor_last(detached, output));
        }
        self.with_output(Table::finish);
        if let Some(keeper) = &mut self.keeper {
            let checkpoint = Checkpoint { streams: self.table.last_checkpoint() };
            keeper.keep(Snapshot::take(checkpoint, &self.buffers));
        }
        for buffer in &self.buffers {
            buffer.close();
        }
        self.keeper
    }

    /// Sleeps until there may be something to do.
    fn wait(&mut self) {
        let Self { reader, table, .. } = self;
        match reader {
            Some(reader) => reader.wait(|| if table.is_restless() { TICK } else { LONGEST_SLEEP }),
            None => std::thread::sleep(READ_AGAIN),
        }
    }

    /// Takes a checkpoint, unless one is under way. Everything must have been handed on.
    fn take_snapshot(&mut self) {
        let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.is_idle()) else { return };
        let checkpoint = Checkpoint { streams: self.table.checkpoint() };
        keeper.keep(Snapshot::take(checkpoint, &self.buffers));
        keeper.look();
    }

    /// Takes commands; `true` when it is to finish.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Replace { buffers, line }) => {
                    self.line = line;
                    let is_current =
                        |old: &Arc<Buffer>| buffers.iter().any(|new| Arc::ptr_eq(old, new));
                    self.buffers.iter().filter(|old| !is_current(old)).for_each(|old| old.close());
                    self.buffers = buffers;
                }
                Ok(Command::Detach(time)) => self.detached = Some(time),
                Ok(Command::Finish) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    /// Takes what the ring holds, up to a bound, and what became known of containers. `true` when the ring was empty.
    fn drain(&mut self) -> bool {
        let Self { reader, table, buffers, line, line_metrics, metrics, changes, room, .. } = self;
        let outgoing = Outgoing::new(*room, buffers, metrics);
        let now = Instant::now();
        let mut output = Output { outgoing, settings: line, metrics: line_metrics, now };
        if let Some(discoveries) = &self.discoveries {
            discoveries.try_iter().for_each(|id| table.discover(id, now));
        }
        while let Ok(change) = changes.try_recv() {
            table.change(change, &mut output);
        }
        let Some(reader) = reader else {
            *room = output.outgoing.hand_on();
            return true;
        };
        let records = reader.drain(DRAIN_RECORDS, |event| match event {
            Event::Chunk { cgroup, lost_bytes, chunk } => {
                table.push(cgroup, lost_bytes, chunk, &mut output);
            }
            Event::Created(cgroup) => table.begin(cgroup, &mut output),
            Event::Gone(cgroup) => table.end(cgroup, &mut output),
            Event::Discovery { .. } => {
                metrics.discovered_files.inc();
            }
            Event::Unseen { cgroup, lost_bytes, chunk, range: None } => {
                table.lose(cgroup, chunk.stream, lost_bytes, &mut output);
            }
            Event::Unseen { cgroup, lost_bytes, chunk, range: Some(range) } => {
                table.read_back(cgroup, lost_bytes, chunk, range, &mut output);
            }
        });
        *room = output.outgoing.hand_on();
        records < DRAIN_RECORDS
    }

    /// Runs a step of the table and hands on the lines that it makes.
    fn with_output<T>(&mut self, step: impl FnOnce(&mut Table, &mut Output<'_>) -> T) -> T {
        let mut output = Output {
            outgoing: Outgoing::new(BatchSize::default(), &self.buffers, &self.metrics),
            settings: &self.line,
            metrics: &self.line_metrics,
            now: Instant::now(),
        };
        let result = step(&mut self.table, &mut output);
        output.outgoing.hand_on();
        result
    }
}
