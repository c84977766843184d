//! What a runtime's task tells the resolver, in the order in which it happened.

use std::time::Instant;

use crate::record::{Container, ContainerId};

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It was made; its cgroup does not exist yet.
    Create,
    /// It was started, perhaps not for the first time.
    Start,
    /// It has another name now.
    Rename,
    /// Its first process ended.
    Die,
    /// It was removed.
    Destroy,
}

impl Action {
    /// Every action.
    pub(super) const ALL: [Self; 5] =
        [Self::Create, Self::Start, Self::Rename, Self::Die, Self::Destroy];

    /// Its name in Docker's events.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Rename => "rename",
            Self::Die => "die",
            Self::Destroy => "destroy",
        }
    }
}

/// A container, and whether it may run: neither stopped nor removed.
#[derive(Debug)]
pub(super) struct Described {
    /// The container. Without an image: the runtime did not say which was asked for.
    pub(super) container: Container,
    /// Whether it was made or runs, and did not stop.
    pub(super) live: bool,
}

/// News of a runtime.
#[derive(Debug)]
pub(super) enum Report {
    /// Something happened to a container, described by the event alone.
    Event(Action, Container),
    /// All containers.
    Listed {
        /// The list.
        list: Vec<Described>,
        /// When it was asked for.
        asked: Instant,
    },
    /// A container that was asked for.
    Inspected(Described),
    /// There is no container with this id that was asked for.
    Missing(ContainerId),
    /// The runtime is not connected, or not any more.
    Down(Outage),
}

/// Why a runtime is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// Nobody listens at its address: there is nothing to list.
    Absent,
    /// The agent may not connect to it.
    Denied,
    /// It listens, and does not answer as it should.
    Failing,
}
