//! The containers that are captured, by cgroup; and who is asked about those without a name.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hold::{Budget, Limits};
use super::life::{Life, Output};
use super::metrics::Metrics;
use super::roster::Roster;
use crate::capture::Control;
use crate::identity::{Change, Handle};
use crate::line;
use crate::record::{CgroupId, Chunk, Container, ContainerId, Timestamp};

/// How often a question without an answer is asked again: the queue may have been full.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What the table is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How long bytes wait for their container's name.
    pub(super) hold_timeout: Duration,
    /// How much waits.
    pub(super) hold: Limits,
    /// How long a container that has ended keeps its metrics.
    pub(super) grace: Duration,
}

/// The containers.
#[derive(Debug)]
pub(super) struct Table {
    settings: Settings,
    lives: HashMap<CgroupId, Life>,
    /// Those without a name: since when, and when they were asked for last.
    waiting: HashMap<CgroupId, (Instant, Instant)>,
    budget: Budget,
    control: Arc<Control>,
    identity: Handle,
    roster: Roster,
    metrics: Metrics,
}

impl Table {
    pub(super) fn new(
        settings: Settings,
        control: Arc<Control>,
        identity: Handle,
        roster: Roster,
        metrics: Metrics,
    ) -> Self {
        let budget = Budget::new(settings.hold);
        let (lives, waiting) = (HashMap::new(), HashMap::new());
        Self { settings, lives, waiting, budget, control, identity, roster, metrics }
    }

    /// Whether something has to be looked at soon, though nothing may be written.
    pub(super) fn is_restless(&self, line: &line::Settings) -> bool {
        !self.waiting.is_empty() || self.lives.values().any(|life| life.has_open_line(line))
    }

    /// A cgroup is watched: begins a life, and asks whose it is.
    pub(super) fn begin(&mut self, cgroup: CgroupId) {
        if self.lives.contains_key(&cgroup) {
            return;
        }
        let Some(id) = self.control.watched(cgroup).and_then(|watched| watched.id) else { return };
        self.lives.insert(cgroup, Life::new(id));
        let now = Instant::now();
        self.waiting.insert(cgroup, (now, now));
        self.ask(id);
    }

    /// Bytes of a container: lines of it, or held until it has a name.
    pub(super) fn push(
        &mut self,
        cgroup: CgroupId,
        lost_bytes: u64,
        chunk: Chunk<'_>,
        output: &mut Output<'_>,
    ) {
        let bytes = chunk.payload.len() as u64;
        // One lookup for a container that is known already: this is done for every write.
        let life = if let Some(life) = self.lives.get_mut(&cgroup) {
            life
        } else {
            self.begin(cgroup);
            let Some(life) = self.lives.get_mut(&cgroup) else {
                self.metrics.unattributed_bytes.inc_by(bytes);
                return;
            };
            life
        };
        let has_room = life.push(lost_bytes, chunk, &mut self.budget, output);
        if !has_room && self.metrics.refused_bytes.inc_by(bytes) == 0 {
            tracing::error!(
                container = life.id.short(),
                "captured bytes are dropped: their container has no name yet, and what \
                 identity.hold_bytes allows is full"
            );
        }
    }

    /// A cgroup is gone: all of its bytes have been pushed.
    pub(super) fn end(&mut self, cgroup: CgroupId, output: &mut Output<'_>) {
        if let Some(life) = self.lives.get_mut(&cgroup) {
            life.ended.get_or_insert_with(Instant::now);
            life.finish(output);
        }
    }

    /// Something became known of a container.
    pub(super) fn change(&mut self, change: Change, output: &mut Output<'_>) {
        match change {
            Change::Known(container) => {
                self.resolve(&container, output, |_| true);
            }
            Change::Unexplained(id) => {
                // A late answer must not take the name from a life that has one.
                let container = Arc::new(Container::unexplained(id));
                if self.resolve(&container, output, Life::is_waiting) {
                    self.metrics.unexplained.inc();
                }
            }
            // Its cgroup says more exactly when its last byte has come.
            Change::Gone(_) => {}
        }
    }

    /// Names those lives of the container that are to be named. Returns whether there are any.
    fn resolve(
        &mut self,
        container: &Arc<Container>,
        output: &mut Output<'_>,
        is_named: impl Fn(&Life) -> bool,
    ) -> bool {
        let mut any = false;
        let lives = self.lives.iter_mut().filter(|(_, life)| life.id == container.id);
        for (cgroup, life) in lives.filter(|(_, life)| is_named(life)) {
            any = true;
            self.waiting.remove(cgroup);
            life.resolve(container, &mut self.budget, output);
            self.roster.set(*cgroup, Arc::clone(container));
        }
        any
    }

    /// Ends lines that nobody has continued for long. `drained`: everything written before then has been pushed.
    pub(super) fn flush_idle(&mut self, drained: Timestamp, output: &mut Output<'_>) {
        for life in self.lives.values_mut() {
            life.flush_idle(drained, output);
        }
    }

    /// What else is due by time.
    pub(super) fn tick(&mut self, now: Instant, output: &mut Output<'_>) {
        self.ask_again(now, output);
        self.forget(now);
        self.metrics.held_bytes.set(self.budget.held_bytes() as i64);
    }

    /// Finds containers whose records of making or removal were lost. To be called when the ring was empty of late: one
    /// that was gone the last time already has left nothing there.
    pub(super) fn reconcile(&mut self, output: &mut Output<'_>) {
        for cgroup in self.control.cgroups() {
            self.begin(cgroup);
            let gone = self.control.watched(cgroup).is_some_and(|watched| watched.gone);
            let life = self.lives.get_mut(&cgroup).filter(|_| gone);
            if life.is_some_and(|life| mem::replace(&mut life.seen_gone, true)) {
                self.end(cgroup, output);
            }
        }
    }

    /// The agent stops: who has no name yet goes by the id, and all lines end as they are.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) {
        let nameless: Vec<ContainerId> =
            self.lives.values().filter(|life| life.is_waiting()).map(|life| life.id).collect();
        for id in nameless {
            self.change(Change::Unexplained(id), output);
        }
        for life in self.lives.values_mut() {
            life.finish(output);
        }
    }

    fn ask(&self, id: ContainerId) {
        // Refused is counted there, and asked again here.
        let _refused = self.identity.resolve(id);
    }

    fn ask_again(&mut self, now: Instant, output: &mut Output<'_>) {
        let mut late = Vec::new();
        for (cgroup, (since, asked)) in &mut self.waiting {
            let Some(life) = self.lives.get(cgroup) else { continue };
            if now.duration_since(*since) >= self.settings.hold_timeout {
                late.push(life.id);
            } else if now.duration_since(*asked) >= ASK_AGAIN {
                *asked = now;
                let _refused = self.identity.resolve(life.id);
            }
        }
        for id in late {
            self.change(Change::Unexplained(id), output);
        }
    }

    fn forget(&mut self, now: Instant) {
        let Self { settings, lives, roster, .. } = self;
        lives.retain(|cgroup, life| {
            let over = life.ended.is_some_and(|at| now.duration_since(at) >= settings.grace);
            let forget = over && !life.is_waiting();
            if forget {
                roster.forget(*cgroup, &life.id);
            }
            !forget
        });
    }
}
