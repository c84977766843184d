//! The agent's end of the stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::Metrics;
use crate::record::ContainerId;

/// Why an id was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many ids wait already.
    #[error("the queue of container ids to resolve is full: ask again")]
    Full,
    /// The stage has ended.
    #[error("container ids are not resolved any more")]
    Stopped,
}

/// Asks the stage. Clones ask the same stage.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<ContainerId>,
    ready: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Handle {
    /// A handle that sends to `requests`, and where its readiness is written.
    pub(super) fn new(
        requests: mpsc::Sender<ContainerId>,
        metrics: Metrics,
    ) -> (Self, Arc<AtomicBool>) {
        let ready = Arc::new(AtomicBool::new(false));
        (Self { requests, ready: Arc::clone(&ready), metrics }, ready)
    }

    /// Asks what is known of `id`. Never waits, and needs no tokio runtime; a [`super::Change`] is the answer. An id
    /// that is asked for again before its answer is answered once.
    pub fn resolve(&self, id: ContainerId) -> Result<(), Refused> {
        self.requests.try_send(id).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.resolve_refused();
                Refused::Full
            }
            mpsc::error::TrySendError::Closed(_) => Refused::Stopped,
        })
    }

    /// Whether each runtime has listed its containers since it was connected to, or is not required and nobody listens at
    /// its address.
    pub fn ready(&self) -> bool {
        // A flag on its own: nothing else is published with it.
        self.ready.load(Ordering::Relaxed)
    }
}
