//! The thread between the ring and the buffer: drains, makes lines, hands batches on. Everything that touches a line
//! before a sink happens here, so a line costs no hand-over between threads but that of its batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};
use tokio::sync::mpsc;

use super::life::Output;
use super::metrics::Metrics;
use super::outgoing::Outgoing;
use super::table::Table;
use crate::buffer::Buffer;
use crate::capture::{Event, Reader};
use crate::identity::Change;
use crate::line;
use crate::record::{BatchSize, Timestamp};

/// Records taken from the ring before the clock is looked at again.
const DRAIN_RECORDS: usize = 4096;

/// How often what is due by time is looked at.
const TICK: Duration = Duration::from_millis(100);

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
    /// Empty the ring, end all lines, hand on the last batch, and return.
    Finish,
}

/// The thread's state.
pub(super) struct Pipeline {
    pub(super) reader: Reader,
    pub(super) table: Table,
    pub(super) buffers: Vec<Arc<Buffer>>,
    pub(super) line: line::Settings,
    pub(super) line_metrics: line::Metrics,
    pub(super) metrics: Metrics,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) commands: Receiver<Command>,
    pub(super) reconcile_interval: Duration,
    /// What the last batch held: the next one will be like it.
    pub(super) room: BatchSize,
}

impl Pipeline {
    /// Runs until [`Command::Finish`], or until nobody can send it any more.
    pub(super) fn run(mut self) {
        let mut ticked = Instant::now();
        let mut reconciled = ticked;
        let mut finish = false;
        self.with_output(Table::reconcile);
        loop {
            finish |= self.obey();
            let began = Timestamp::now();
            let is_empty = self.drain();
            let now = Instant::now();
            if now.duration_since(ticked) >= TICK {
                ticked = now;
                self.with_output(|table, output| {
                    if is_empty {
                        table.flush_idle(began, output);
                    }
                    table.tick(now, output);
                });
            }
            // What is in the ring comes first: it may be the last bytes of a container that has gone.
            if is_empty && now.duration_since(reconciled) >= self.reconcile_interval {
                reconciled = now;
                self.with_output(Table::reconcile);
            }
            if is_empty && finish {
                break;
            }
            if is_empty {
                let Self { reader, table, line, .. } = &mut self;
                reader.wait(|| if table.is_restless(line) { TICK } else { LONGEST_SLEEP });
            }
        }
        self.with_output(Table::finish);
        for buffer in &self.buffers {
            buffer.close();
        }
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
                Ok(Command::Finish) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    /// Takes what the ring holds, up to a bound, and what became known of containers. `true` when the ring was empty.
    fn drain(&mut self) -> bool {
        let Self { reader, table, buffers, line, line_metrics, metrics, changes, room, .. } = self;
        let outgoing = Outgoing::new(*room, buffers, metrics);
        let mut output = Output { outgoing, settings: line, metrics: line_metrics };
        while let Ok(change) = changes.try_recv() {
            table.change(change, &mut output);
        }
        let records = reader.drain(DRAIN_RECORDS, |event| match event {
            Event::Chunk { cgroup, lost_bytes, chunk } => {
                table.push(cgroup, lost_bytes, chunk, &mut output);
            }
            Event::Created(cgroup) => table.begin(cgroup),
            Event::Gone(cgroup) => table.end(cgroup, &mut output),
            Event::Discovery { .. } => {
                metrics.discovered_files.inc();
            }
            // The probe has counted it as lost; the stream's next chunk says so.
            Event::Unseen { .. } => {}
        });
        *room = output.outgoing.hand_on();
        records < DRAIN_RECORDS
    }

    /// Runs a step of the table and hands on the lines that it makes.
    fn with_output(&mut self, step: impl FnOnce(&mut Table, &mut Output<'_>)) {
        let mut output = Output {
            outgoing: Outgoing::new(BatchSize::default(), &self.buffers, &self.metrics),
            settings: &self.line,
            metrics: &self.line_metrics,
        };
        step(&mut self.table, &mut output);
        output.outgoing.hand_on();
    }
}
