//! The containers that are remembered. Pure: the caller brings the time, and sends what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::{Action, Described};
use super::{Change, Metrics};
use crate::record::{Container, ContainerId};

#[cfg(test)]
mod tests;

/// Containers by id, at most `limit` of them.
#[derive(Debug)]
pub(super) struct Cache {
    entries: BTreeMap<ContainerId, Entry>,
    limit: usize,
    grace: Duration,
    settle: Duration,
    metrics: Metrics,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    state: State,
    since: Instant,
    /// When the last event of it came, or it was first heard of.
    event: Instant,
}

/// Ordered by what is forgotten last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Removed,
    Stopped,
    Live,
}

impl State {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Removed, "removed"), (Self::Stopped, "stopped"), (Self::Live, "live")];

    const fn of(live: bool) -> Self {
        if live { Self::Live } else { Self::Stopped }
    }
}

impl Cache {
    /// Remembers up to `limit` containers, and removed ones for `grace`. A list may lag by `settle` behind events:
    /// Docker tells of an end before it is in its lists.
    pub(super) fn new(limit: usize, grace: Duration, settle: Duration, metrics: Metrics) -> Self {
        Self { entries: BTreeMap::new(), limit, grace, settle, metrics }
    }

    /// What is remembered of a container, live or not.
    pub(super) fn get(&self, id: &ContainerId) -> Option<&Arc<Container>> {
        self.entries.get(id).map(|entry| &entry.container)
    }

    /// Takes an event in. An event's description is second best, since its labels called `name` and `image` are hidden:
    /// of a container that is known already it gives the name, and the image if that is open.
    pub(super) fn event(
        &mut self,
        action: Action,
        described: Container,
        now: Instant,
    ) -> Option<Change> {
        let id = described.id;
        let container = match self.entries.get_mut(&id) {
            None => described,
            Some(entry) => {
                entry.event = now;
                let mut container = Container::clone(&entry.container);
                container.name = described.name.or(container.name);
                container.image = container.image.or(described.image);
                container
            }
        };
        match action {
            Action::Create | Action::Start => self.put(container, State::Live, now),
            Action::Rename => match self.entries.get(&id).map(|entry| entry.state) {
                Some(state) => self.put(container, state, now),
                None => Some(Change::Known(Arc::new(container))),
            },
            Action::Die => self.end(id, State::Stopped, now),
            Action::Destroy => self.end(id, State::Removed, now),
        }
    }

    /// Takes in the answer to a question about one container. What is known already came by an event meanwhile, and
    /// the answer may be older.
    pub(super) fn inspected(&mut self, described: Described, now: Instant) -> Option<Change> {
        let Described { container, live } = described;
        if self.entries.contains_key(&container.id) {
            return None;
        }
        self.put(container, State::of(live), now)
    }

    /// Takes in the list of all containers that was asked for at `asked`: what is not in it was removed. What happened
    /// shortly before that, or since, may be newer than the list and stands.
    pub(super) fn listed(
        &mut self,
        list: Vec<Described>,
        asked: Instant,
        now: Instant,
    ) -> Vec<Change> {
        let settle = self.settle;
        let is_newer = |entry: &Entry| entry.event + settle > asked;
        let mut changes = Vec::new();
        let ids: BTreeSet<_> = list.iter().map(|described| described.container.id).collect();
        let removed: Vec<_> = self
            .entries
            .iter()
            .filter(|(id, entry)| !is_newer(entry) && !ids.contains(id))
            .map(|(&id, _)| id)
            .collect();
        changes.extend(removed.into_iter().filter_map(|id| self.end(id, State::Removed, now)));
        for Described { mut container, live } in list {
            let known = self.entries.get(&container.id);
            if known.is_some_and(is_newer) {
                continue;
            }
            if let Some(entry) = known {
                container.image = container.image.or_else(|| entry.container.image.clone());
            }
            let was_live = known.is_some_and(|entry| entry.state == State::Live);
            let id = container.id;
            let change = self.put(container, State::of(live), now);
            match change {
                _ if was_live && !live => changes.push(Change::Gone(id)),
                // A stopped container is nobody's concern until it is asked for.
                Some(change) if live => changes.push(change),
                _ => {}
            }
        }
        changes
    }

    /// Forgets the containers that were removed `grace` ago.
    pub(super) fn expire(&mut self, now: Instant) {
        let Self { entries, grace, metrics, .. } = self;
        entries.retain(|_, entry| {
            let keep = entry.state != State::Removed || now < entry.since + *grace;
            if !keep {
                metrics.forgotten("grace");
            }
            keep
        });
    }

    /// When [`Cache::expire`] has something to do next.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let removed = self.entries.values().filter(|entry| entry.state == State::Removed);
        removed.map(|entry| entry.since + self.grace).min()
    }

    /// Shows how many containers are in which state.
    pub(super) fn count(&self) {
        for (state, label) in State::ALL {
            let count = self.entries.values().filter(|entry| entry.state == state).count();
            self.metrics.containers(label, count);
        }
    }

    /// Remembers a container, if there is room; known, if anything is new.
    fn put(&mut self, container: Container, state: State, now: Instant) -> Option<Change> {
        if let Some(entry) = self.entries.get_mut(&container.id) {
            let started = state == State::Live && entry.state != State::Live;
            if entry.state != state {
                (entry.state, entry.since) = (state, now);
            }
            if *entry.container == container && !started {
                return None;
            }
            if *entry.container != container {
                entry.container = Arc::new(container);
            }
            return Some(Change::Known(Arc::clone(&entry.container)));
        }
        let container = Arc::new(container);
        if self.make_room(state) {
            let entry = Entry { container: Arc::clone(&container), state, since: now, event: now };
            self.entries.insert(container.id, entry);
        }
        Some(Change::Known(container))
    }

    /// Marks a container as stopped or removed; gone, if it was live or nothing is known of it.
    fn end(&mut self, id: ContainerId, state: State, now: Instant) -> Option<Change> {
        let Some(entry) = self.entries.get_mut(&id) else {
            return Some(Change::Gone(id));
        };
        let was_live = entry.state == State::Live;
        // A removed container does not stop once more.
        if state < entry.state {
            (entry.state, entry.since) = (state, now);
        }
        was_live.then_some(Change::Gone(id))
    }

    /// Whether a container in `state` can be added, once one in a lesser state was forgotten if need be.
    fn make_room(&mut self, state: State) -> bool {
        if self.entries.len() < self.limit {
            return true;
        }
        let others = self.entries.iter().map(|(id, entry)| (entry.state, entry.since, *id));
        let first = others.min().filter(|(theirs, ..)| *theirs < state);
        self.metrics.forgotten("limit");
        if let Some((.., id)) = first {
            self.entries.remove(&id);
        }
        first.is_some()
    }
}
