//! The logs of the containers: finding and reading them, and how far each is handed on.

use std::time::{Duration, Instant};

use super::Table;
use crate::agent::life::Life;
use crate::agent::stream::Output;
use crate::record::{CgroupId, ContainerId, Timestamp};
use crate::state::StreamCheckpoint;
use crate::tail;

/// How long a container's log is looked for that is about to be made.
const LOOK_FOR: Duration = Duration::from_secs(10);

/// How long logs are read when the agent stops.
const LAST_READING: Duration = Duration::from_secs(2);

impl Table {
    /// A container has a log, or is about to have one.
    pub(in crate::agent) fn discover(&mut self, id: ContainerId, now: Instant) {
        self.expected.entry(id).or_insert(now);
        self.look_for(id, now);
    }

    /// Opens the log of a container of which nothing is captured.
    fn look_for(&mut self, id: ContainerId, now: Instant) {
        let is_known = self.logged.contains_key(&id) || self.lives.values().any(|it| it.id == id);
        let Some(logs) = self.logs.as_ref().filter(|_| !is_known) else {
            self.expected.remove(&id);
            return;
        };
        if let Some(mut life) = self.origin.logged(id, logs, now) {
            life.ended = Some(now);
            self.logged.insert(id, life);
            self.expected.remove(&id);
            self.names.ask(id, now);
        }
    }

    /// Finds the logs of containers that are not captured.
    pub(super) fn discover_all(&mut self, now: Instant) {
        let Some(logs) = &self.logs else { return };
        match tail::containers(&logs.settings) {
            Ok(logged) => logged.into_iter().for_each(|id| self.discover(id, now)),
            Err(error) => {
                if self.metrics.list_errors.inc() == 0 {
                    tracing::warn!(%error, "failed to list the runtimes' logs");
                }
            }
        }
    }

    /// Reads on in the logs of those whose lines come from there. Returns whether there is more.
    pub(in crate::agent) fn read_logs(&mut self, output: &mut Output<'_>) -> bool {
        let mut more = false;
        let reading = self.lives.iter().filter(|(_, life)| life.is_reading());
        let reading: Vec<CgroupId> = reading.map(|(cgroup, _)| *cgroup).collect();
        for cgroup in reading {
            // A loss that came with no chunk lies behind what is captured: the seam has to know.
            self.count_losses(cgroup, output);
            more |= self.lives.get_mut(&cgroup).is_some_and(|life| life.read_log(output));
        }
        for life in self.logged.values_mut().filter(|life| life.is_reading()) {
            more |= life.read_log(output);
        }
        more
    }

    /// Notices losses that nothing was written after, and finds the captured lines in their logs. To be called when the ring
    /// was empty: `drained`, everything written before then has been pushed.
    pub(in crate::agent) fn anchor(&mut self, drained: Timestamp, output: &mut Output<'_>) {
        let cgroups: Vec<CgroupId> = self.lives.keys().copied().collect();
        for cgroup in cgroups {
            self.count_losses(cgroup, output);
        }
        let skipped = self.control.as_ref().map_or(0, |control| control.skipped());
        let Some(logs) = &self.logs else { return };
        if std::mem::replace(&mut self.skipped, skipped) < skipped {
            // Whose writes they were, nobody knows.
            self.lives.values_mut().for_each(|life| life.read_again(logs, output));
        }
        for life in self.lives.values_mut() {
            life.anchor(drained, logs, output);
        }
    }

    /// The same when the agent ends: however few lines they are, and in logs too that were not there when they were looked for.
    pub(in crate::agent) fn anchor_last(&mut self, drained: Timestamp, output: &mut Output<'_>) {
        self.lives.values_mut().for_each(Life::make_due);
        self.anchor(drained, output);
    }

    /// Up to where each stream is handed on, as far as its log tells.
    pub(in crate::agent) fn checkpoint(&self) -> Vec<StreamCheckpoint> {
        let lives = self.lives.values().chain(self.logged.values());
        let streams = lives.flat_map(Life::checkpoint);
        streams.chain(self.origin.checkpoint()).collect()
    }

    /// The same when the agent ends, with what another one needs that captures already.
    pub(in crate::agent) fn last_checkpoint(&self) -> Vec<StreamCheckpoint> {
        let unbacked = self.lives.values().flat_map(Life::last_lines);
        self.checkpoint().into_iter().chain(unbacked).collect()
    }

    /// Reads what logs have now, for a while: another agent goes on with the rest.
    pub(super) fn read_to_end(&mut self, output: &mut Output<'_>) {
        let began = Instant::now();
        while began.elapsed() < LAST_READING && self.read_logs(output) {}
    }

    pub(super) fn look_again(&mut self, now: Instant) {
        self.expected.retain(|_, since| now.saturating_duration_since(*since) < LOOK_FOR);
        let expected: Vec<ContainerId> = self.expected.keys().copied().collect();
        for id in expected {
            self.look_for(id, now);
        }
    }
}
