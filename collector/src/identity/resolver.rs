//! Joins what runtimes report with what the agent asks. One task, which never waits for a runtime.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::cache::Cache;
use super::report::{Described, Outage, Report};
use super::{Change, Metrics, Settings};
use crate::record::ContainerId;

/// The receiver of changes is gone: the stage ends.
struct Ended;

/// The state of the task.
#[derive(Debug)]
pub(super) struct Resolver {
    settings: Settings,
    metrics: Metrics,
    cache: Cache,
    /// Ids that were asked for and not answered, and when they are answered at the latest.
    pending: BTreeMap<ContainerId, Instant>,
    /// Where the runtime's task takes ids to inspect.
    wanted: Option<mpsc::Sender<ContainerId>>,
    ready: Arc<AtomicBool>,
}

impl Resolver {
    /// A resolver that knows nothing yet, asks by `wanted` and writes its readiness to `ready`.
    pub(super) fn new(
        settings: Settings,
        metrics: Metrics,
        ready: Arc<AtomicBool>,
        wanted: Option<mpsc::Sender<ContainerId>>,
    ) -> Self {
        ready.store(wanted.is_none(), Ordering::Relaxed);
        let cache =
            Cache::new(settings.containers, settings.grace, settings.settle, metrics.clone());
        let pending = BTreeMap::new();
        Self { settings, metrics, cache, pending, wanted, ready }
    }

    /// Works until nobody listens or nobody asks any more.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<ContainerId>,
        mut reports: mpsc::Receiver<Report>,
        changes: mpsc::Sender<Change>,
    ) {
        loop {
            let news = tokio::select! {
                () = changes.closed() => return,
                Some(report) = reports.recv() => self.report(report, Instant::now()),
                // With as many pending as may be, the queue fills, and the agent is told to ask again.
                request = requests.recv(), if self.pending.len() < self.settings.queue.max(1) => {
                    match request {
                        None => return,
                        Some(id) => self.resolve(id, Instant::now()),
                    }
                }
                () = sleep_until_some(self.next_timer()) => self.expire(Instant::now()),
            };
            if let Err(Ended) = self.send(&changes, news).await {
                return;
            }
        }
    }

    /// Answers from memory, or notes that an answer is owed.
    fn resolve(&mut self, id: ContainerId, now: Instant) -> Vec<Change> {
        if let Some(container) = self.cache.get(&id) {
            return vec![Change::Known(Arc::clone(container))];
        }
        if self.wanted.is_none() {
            return vec![Change::Unexplained(id)];
        }
        if !self.pending.contains_key(&id) {
            self.pending.insert(id, now + self.settings.resolve_timeout);
            self.want(id);
        }
        Vec::new()
    }

    /// Asks the runtime for a container. A connection that is down is tried again at once on it.
    fn want(&self, id: ContainerId) {
        if let Some(wanted) = &self.wanted
            && wanted.try_send(id).is_err()
        {
            // Its deadline answers it, or the next list.
            self.metrics.not_asked();
        }
    }

    fn report(&mut self, report: Report, now: Instant) -> Vec<Change> {
        let changes = match report {
            Report::Event(action, container) => {
                Vec::from_iter(self.cache.event(action, container, now))
            }
            Report::Inspected(described) => Vec::from_iter(self.cache.inspected(described, now)),
            Report::Missing(id) => {
                if let Some(deadline) = self.pending.get_mut(&id) {
                    *deadline = (*deadline).min(now + self.settings.settle);
                }
                Vec::new()
            }
            Report::Listed { list, asked } => self.listed(list, asked, now),
            Report::Down(outage) => {
                let is_required = self.settings.is_docker_required;
                self.ready.store(outage == Outage::Absent && !is_required, Ordering::Relaxed);
                match outage {
                    Outage::Absent | Outage::Denied if !is_required => self.give_up(|_| true),
                    // It may come to itself in time, or come up at all.
                    Outage::Absent | Outage::Denied | Outage::Failing => Vec::new(),
                }
            }
        };
        self.cache.count();
        changes
    }

    /// Takes a list in. Who is still waiting then is asked for: the list may be older than the container.
    fn listed(&mut self, list: Vec<Described>, asked: Instant, now: Instant) -> Vec<Change> {
        self.ready.store(true, Ordering::Relaxed);
        let mut changes = self.cache.listed(list, asked, now);
        self.answered(&changes);
        for id in self.pending.keys() {
            match self.cache.get(id) {
                Some(container) => changes.push(Change::Known(Arc::clone(container))),
                None => self.want(*id),
            }
        }
        changes
    }

    fn expire(&mut self, now: Instant) -> Vec<Change> {
        self.cache.expire(now);
        self.cache.count();
        self.give_up(|deadline| deadline <= now)
    }

    /// Answers those whose deadline is `due`, though no runtime did.
    fn give_up(&self, due: impl Fn(Instant) -> bool) -> Vec<Change> {
        let ids = self.pending.iter().filter(|&(_, &deadline)| due(deadline));
        ids.map(|(&id, _)| Change::Unexplained(id)).collect()
    }

    fn next_timer(&self) -> Option<Instant> {
        self.pending.values().copied().chain(self.cache.next_expiry()).min()
    }

    /// Whoever asked for these containers has an answer.
    fn answered(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Known(container) => self.pending.remove(&container.id),
                Change::Unexplained(id) => self.pending.remove(id),
                Change::Gone(_) => None,
            };
        }
    }

    /// Hands changes to the agent, however long it takes.
    async fn send(
        &mut self,
        to_agent: &mpsc::Sender<Change>,
        changes: Vec<Change>,
    ) -> Result<(), Ended> {
        self.answered(&changes);
        for change in changes {
            if matches!(change, Change::Unexplained(_)) {
                self.metrics.unexplained();
            }
            to_agent.send(change).await.map_err(|_closed| Ended)?;
        }
        Ok(())
    }
}

/// Sleeps until `deadline`; for ever without one.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
