//! The containers that are collected: by cgroup while one is captured, else by id; and who is asked about those without a
//! name.

mod logs;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backing::Logs;
use super::hold::{Budget, Limits};
use super::life::Life;
use super::metrics::Metrics;
use super::names::Names;
use super::origin::Origin;
use super::roster::Roster;
use super::stream::Output;
use crate::capture::{Control, FileRange};
use crate::identity::{Change, Handle};
use crate::record::{CgroupId, Chunk, Container, ContainerId, Stream, Timestamp};
use crate::tail;

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
    /// Those that are captured.
    lives: HashMap<CgroupId, Life>,
    /// Those that are not, and whose logs are read, or would be if they grew.
    logged: HashMap<ContainerId, Life>,
    /// Those whose log is not there yet, and since when.
    expected: HashMap<ContainerId, Instant>,
    /// Cgroups that are gone, whose counts are still shown.
    gone: HashMap<CgroupId, Gone>,
    names: Names,
    budget: Budget,
    origin: Origin,
    logs: Option<Logs>,
    control: Option<Arc<Control>>,
    /// Runs of the probe that the kernel left out, as far as it is acted on.
    skipped: u64,
    roster: Roster,
    metrics: Metrics,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    id: ContainerId,
    since: Instant,
}

impl Table {
    pub(super) fn new(
        settings: Settings,
        (origin, logs): (Origin, Option<Logs>),
        control: Option<Arc<Control>>,
        identity: Handle,
        roster: Roster,
        metrics: Metrics,
    ) -> Self {
        let budget = Budget::new(settings.hold);
        Self {
            settings,
            lives: HashMap::new(),
            logged: HashMap::new(),
            expected: HashMap::new(),
            gone: HashMap::new(),
            names: Names::new(identity, settings.hold_timeout),
            budget,
            origin,
            logs,
            control,
            skipped: 0,
            roster,
            metrics,
        }
    }

    /// Begins with the containers that are there: those with a cgroup, and those with a log.
    pub(super) fn open(&mut self, output: &mut Output<'_>) {
        self.reconcile(output);
        for id in self.origin.left() {
            self.discover(id, output.now);
        }
        self.origin.opened();
    }

    /// Whether something has to be looked at soon, though nothing may be written.
    pub(super) fn is_restless(&self) -> bool {
        !self.names.is_empty()
            || self.lives.values().any(|life| life.has_open_line() || life.is_reading())
    }

    /// A cgroup is watched: begins a life, and asks whose it is.
    pub(super) fn begin(&mut self, cgroup: CgroupId, output: &mut Output<'_>) {
        if self.lives.contains_key(&cgroup) || self.gone.contains_key(&cgroup) {
            return;
        }
        let watched = self.control.as_ref().and_then(|control| control.watched(cgroup));
        let Some(id) = watched.and_then(|watched| watched.id) else { return };
        // Started again before the end of its last life came through.
        let earlier: Vec<_> =
            self.lives.iter().filter(|(_, life)| life.id == id).map(|(it, _)| *it).collect();
        for earlier in earlier {
            self.end(earlier, output);
        }
        let life = match self.logged.remove(&id) {
            Some(life) => life,
            None => self.origin.captured(id, self.logs.as_ref(), output.now),
        };
        self.lives.entry(cgroup).insert_entry(life).get_mut().begin();
        // It may be described anew, and its metrics need its name.
        self.names.ask(id, output.now);
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
            self.begin(cgroup, output);
            let Some(life) = self.lives.get_mut(&cgroup) else {
                self.metrics.unattributed_bytes.inc_by(bytes);
                return;
            };
            life
        };
        let has_room = life.push(lost_bytes, chunk, &mut self.budget, self.logs.as_ref(), output);
        if !has_room && self.metrics.refused_bytes.inc_by(bytes) == 0 {
            tracing::error!(
                container = life.id.short(),
                "captured bytes are dropped: their container has no name yet, and what \
                 identity.hold_bytes allows is full"
            );
        }
    }

    /// A writer moved bytes from `range` to its stream: they are read there at once, or are lost. `chunk` is without them.
    pub(super) fn read_back(
        &mut self,
        cgroup: CgroupId,
        lost_bytes: u64,
        chunk: Chunk<'_>,
        range: FileRange,
        output: &mut Output<'_>,
    ) {
        let written_bytes = u64::from(chunk.write_bytes);
        let mut offset_bytes = 0;
        let read_bytes = range.read(written_bytes, |payload| {
            self.push(cgroup, lost_bytes, Chunk { offset_bytes, payload, ..chunk }, output);
            offset_bytes += payload.len() as u32;
        });
        let unread_bytes = written_bytes - read_bytes;
        if let Some(control) = &self.control {
            control.count_referred(cgroup, chunk.stream, read_bytes, unread_bytes);
        }
        if unread_bytes > 0 {
            self.begin(cgroup, output);
            if let Some(life) = self.lives.get_mut(&cgroup) {
                life.lose(chunk.stream, lost_bytes, chunk.time, self.logs.as_ref(), output);
                life.lose_bytes(chunk.stream, unread_bytes, chunk.time, self.logs.as_ref(), output);
            }
        }
    }

    /// Bytes of a stream were not captured; `lost_bytes` is the probe's count with them.
    pub(super) fn lose(
        &mut self,
        cgroup: CgroupId,
        stream: Stream,
        lost_bytes: u64,
        output: &mut Output<'_>,
    ) {
        if let Some(life) = self.lives.get_mut(&cgroup) {
            life.lose(stream, lost_bytes, Timestamp::now(), self.logs.as_ref(), output);
        }
    }

    /// A cgroup is gone: all of its bytes have been pushed.
    pub(super) fn end(&mut self, cgroup: CgroupId, output: &mut Output<'_>) {
        self.count_losses(cgroup, output);
        let Some(mut life) = self.lives.remove(&cgroup) else { return };
        life.end(self.logs.as_ref(), output);
        self.gone.insert(cgroup, Gone { id: life.id, since: output.now });
        if !life.is_over() {
            self.logged.insert(life.id, life);
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
        let Self { lives, logged, gone, names, budget, logs, roster, .. } = self;
        let id = container.id;
        let mut any = false;
        for (cgroup, life) in lives.iter_mut().filter(|(_, life)| life.id == id) {
            if is_named(life) {
                any = true;
                life.resolve(container, budget, logs.as_ref(), output);
                roster.set(*cgroup, Arc::clone(container));
            }
        }
        if let Some(life) = logged.get_mut(&id).filter(|life| is_named(life)) {
            any = true;
            life.resolve(container, budget, logs.as_ref(), output);
            for (cgroup, _) in gone.iter().filter(|(_, gone)| gone.id == id) {
                roster.set(*cgroup, Arc::clone(container));
            }
            if life.is_over() {
                logged.remove(&id);
            }
        }
        if any {
            names.answered(&id);
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
    pub(super) fn tick(&mut self, output: &mut Output<'_>) {
        for id in self.names.late(output.now) {
            self.change(Change::Unexplained(id), output);
        }
        self.look_again(output.now);
        self.logged.values_mut().for_each(|life| life.rest(output.now));
        self.forget(output.now);
        self.metrics.held_bytes.set(self.budget.held_bytes() as i64);
    }

    /// Finds containers whose records of making or removal were lost. To be called when the ring was empty of late: one
    /// that was gone the last time already has left nothing there.
    pub(super) fn reconcile(&mut self, output: &mut Output<'_>) {
        self.reconcile_cgroups(output);
        self.discover_all(output.now);
        let Some(logs) = &self.logs else { return };
        self.logged.retain(|_, life| !life.is_removed(logs));
        for id in self.origin.left() {
            if tail::is_gone(&logs.settings, &id) {
                self.origin.forget(&id);
            }
        }
    }

    fn reconcile_cgroups(&mut self, output: &mut Output<'_>) {
        let Some(control) = self.control.clone() else { return };
        for cgroup in control.cgroups() {
            self.begin(cgroup, output);
            let gone = control.watched(cgroup).is_some_and(|watched| watched.gone);
            let life = self.lives.get_mut(&cgroup).filter(|_| gone);
            if life.is_some_and(|life| std::mem::replace(&mut life.seen_gone, true)) {
                self.end(cgroup, output);
            }
        }
    }

    /// The agent stops: who has no name yet goes by the id, and all lines end as they are.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) {
        let lives = self.lives.values().chain(self.logged.values());
        let nameless: Vec<ContainerId> =
            lives.filter(|life| life.is_waiting()).map(|life| life.id).collect();
        for id in nameless {
            self.change(Change::Unexplained(id), output);
        }
        self.read_to_end(output);
        for life in self.lives.values_mut() {
            life.finish(output);
        }
    }

    /// Takes the probe's counts of lost bytes that came with no chunk.
    fn count_losses(&mut self, cgroup: CgroupId, output: &mut Output<'_>) {
        let Some(watched) = self.control.as_ref().and_then(|control| control.watched(cgroup))
        else {
            return;
        };
        for (stream, counters) in Stream::ALL.iter().zip(&watched.streams) {
            self.lose(cgroup, *stream, counters.lost_total_bytes, output);
        }
    }

    fn forget(&mut self, now: Instant) {
        let Self { settings, gone, names, roster, .. } = self;
        gone.retain(|cgroup, gone| {
            let is_over = now.duration_since(gone.since) >= settings.grace;
            if is_over && !names.is_asked(&gone.id) {
                roster.forget(*cgroup, &gone.id);
                return false;
            }
            true
        });
    }
}
