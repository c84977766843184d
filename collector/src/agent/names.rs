//! Whose names are asked for, and since when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::identity::Handle;
use crate::record::ContainerId;

/// How often a question without an answer is asked again: the queue may have been full.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Questions that are not answered.
#[derive(Debug)]
pub(super) struct Names {
    identity: Handle,
    /// How long an answer is waited for.
    patience: Duration,
    asked: HashMap<ContainerId, Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    first: Instant,
    last: Instant,
}

impl Names {
    pub(super) fn new(identity: Handle, patience: Duration) -> Self {
        Self { identity, patience, asked: HashMap::new() }
    }

    /// Asks for a container's name, though it may be known: it may be described anew.
    pub(super) fn ask(&mut self, id: ContainerId, now: Instant) {
        self.asked.insert(id, Asked { first: now, last: now });
        // Refused is counted there, and asked again here.
        let _refused = self.identity.resolve(id);
    }

    /// An answer came.
    pub(super) fn answered(&mut self, id: &ContainerId) {
        self.asked.remove(id);
    }

    /// Whether an answer is waited for.
    pub(super) fn is_asked(&self, id: &ContainerId) -> bool {
        self.asked.contains_key(id)
    }

    /// Whether no answer is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Asks again, and gives those that are not waited for any longer.
    pub(super) fn late(&mut self, now: Instant) -> Vec<ContainerId> {
        let Self { identity, patience, asked } = self;
        for (id, asked) in asked.iter_mut() {
            if now.duration_since(asked.last) >= ASK_AGAIN {
                asked.last = now;
                let _refused = identity.resolve(*id);
            }
        }
        let late = asked.extract_if(|_, asked| now.duration_since(asked.first) >= *patience);
        late.map(|(id, _)| id).collect()
    }
}
