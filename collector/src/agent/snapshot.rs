//! Checkpoints on their way to disk: taken when all that they speak of was handed to the sinks, stored when the sinks are
//! done with it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::buffer::{Buffer, Progress};
use crate::record::BatchId;
use crate::state::{Checkpoint, State};

/// A checkpoint that holds as soon as every sink is done with what it was handed until then.
#[derive(Debug)]
pub(super) struct Snapshot {
    checkpoint: Checkpoint,
    handed: Vec<(Progress, BatchId)>,
}

impl Snapshot {
    /// Of a moment when nothing is between the streams and `buffers`.
    pub(super) fn take(checkpoint: Checkpoint, buffers: &[Arc<Buffer>]) -> Self {
        let handed = |buffer: &Arc<Buffer>| {
            let progress = buffer.progress();
            let handed = progress.handed();
            (progress, handed)
        };
        Self { checkpoint, handed: buffers.iter().map(handed).collect() }
    }

    /// Whether every sink is done with what it was handed.
    pub(super) fn holds(&self) -> bool {
        self.handed.iter().all(|(progress, handed)| progress.passed() >= *handed)
    }
}

/// Stores checkpoints on a thread of its own: a disk may take its time.
#[derive(Debug)]
pub(super) struct Keeper {
    to_disk: Sender<Checkpoint>,
    thread: JoinHandle<()>,
    pending: Option<Snapshot>,
    /// None before the first: an empty one tells the next collector that it is not the first.
    last: Option<Checkpoint>,
}

impl Keeper {
    /// Starts the thread; it ends with the keeper, and holds the state's lock until then.
    pub(super) fn start(state: State) -> io::Result<Self> {
        let (to_disk, checkpoints) = bounded::<Checkpoint>(1);
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || store(&state, &checkpoints))?;
        Ok(Self { to_disk, thread, pending: None, last: None })
    }

    /// Whether the next snapshot is wanted.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes the next snapshot.
    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        if self.last.as_ref() != Some(&snapshot.checkpoint) {
            self.pending = Some(snapshot);
        }
    }

    /// Stores the snapshot, if it holds by now.
    pub(super) fn look(&mut self) {
        let Some(snapshot) = self.pending.take_if(|snapshot| snapshot.holds()) else { return };
        if self.to_disk.try_send(snapshot.checkpoint.clone()).is_ok() {
            self.last = Some(snapshot.checkpoint);
        }
    }

    /// Stores the last snapshot, if it holds, and lets go of the state directory.
    pub(super) fn finish(self) {
        let Self { to_disk, thread, pending, .. } = self;
        if let Some(snapshot) = pending.filter(Snapshot::holds) {
            // The thread lives as long as there is somebody to send.
            let _alive = to_disk.send(snapshot.checkpoint);
        }
        drop(to_disk);
        if thread.join().is_err() {
            tracing::error!("the checkpoint thread panicked: this is a bug of writetap");
        }
    }
}

/// Stores what comes; says when it begins to fail, and when it works again.
fn store(state: &State, checkpoints: &Receiver<Checkpoint>) {
    let mut has_failed = false;
    for checkpoint in checkpoints {
        match state.store(&checkpoint) {
            Ok(()) => {
                if std::mem::take(&mut has_failed) {
                    tracing::info!("checkpoints are stored again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::error!("{error}");
                }
            }
        }
    }
}
