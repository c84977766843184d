//! The Docker engine's task: connects, follows events, lists, inspects, and reports. Not: remembering anything.
//!
//! The event stream is asked for from a moment before the connection on (`since`), and the list after it: Docker keeps
//! its last 256 events, so that none falls between the two, nor into the gap of a broken connection. What happened
//! while the engine itself was down is in the list.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::pin::pin;
use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::backoff::Backoff;
use super::report::{Outage, Report};
use super::{Metrics, Settings};
use crate::record::{ContainerId, Runtime, Timestamp};

mod address;
mod failure;
mod reader;

pub(super) use address::Address;
use failure::{Failure, Operation, Reason};
use reader::{Answer, Reader};

const RUNTIME: &str = Runtime::Docker.as_str();

/// `tokio::time::interval` has no period of zero.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// The task's state.
#[derive(Debug)]
pub(super) struct Docker {
    address: Address,
    settings: Settings,
    metrics: Metrics,
    reports: mpsc::Sender<Report>,
    wanted: mpsc::Receiver<ContainerId>,
    backoff: Backoff,
    /// The time of the last event, in ns since the epoch: where the next event stream begins.
    since: i64,
    /// The outage that was logged, until it is over.
    logged: Option<Outage>,
}

impl Docker {
    /// A task that asks the engine at `address` for the ids of `wanted`, and reports.
    pub(super) fn new(
        address: Address,
        settings: Settings,
        metrics: Metrics,
        reports: mpsc::Sender<Report>,
        wanted: mpsc::Receiver<ContainerId>,
    ) -> Self {
        let backoff = Backoff::new(settings.retry_min, settings.retry_max);
        let since = Timestamp::now().as_nanos() as i64;
        Self { address, settings, metrics, reports, wanted, backoff, since, logged: None }
    }

    /// Works until nobody takes reports any more.
    pub(super) async fn run(mut self) {
        let reports = self.reports.clone();
        tokio::select! {
            () = reports.closed() => {}
            () = self.stay_connected() => {}
        }
    }

    async fn stay_connected(&mut self) {
        loop {
            let started = Instant::now();
            let failure = self.session().await;
            // A connection that breaks as soon as it stands is no reason to hurry.
            if started.elapsed() > self.settings.retry_max {
                self.backoff.reset();
            }
            self.metrics.runtime_up(RUNTIME, false);
            let outage = failure.outage();
            // Once per outage, however long it lasts.
            if self.logged != Some(outage) {
                failure.log(&self.address);
                self.logged = Some(outage);
            }
            self.report(Report::Down(outage)).await;
            self.pause(started).await;
            self.metrics.reconnect(RUNTIME);
        }
    }

    /// Waits before the next attempt; not that long if a container is asked for.
    async fn pause(&mut self, started: Instant) {
        let until = Instant::now() + self.backoff.wait(random());
        tokio::select! {
            () = sleep_until(until) => {}
            Some(_) = self.wanted.recv() => {
                sleep_until(until.min(started + self.settings.retry_min)).await;
            }
        }
        // The ids need not be kept: the list answers them, or the resolver asks again after it.
        while self.wanted.try_recv().is_ok() {}
    }

    /// One connection, from its beginning to its end.
    async fn session(&mut self) -> Failure {
        let reader = match self.open().await {
            Ok(reader) => reader,
            Err(failure) => return failure,
        };
        let mut events = pin!(reader.events(self.since));
        let mut answers = JoinSet::<Answer>::new();
        let mut listing = false;
        let mut reconcile = interval(self.settings.reconcile_interval.max(SHORTEST_INTERVAL));
        reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(Ok(message)) => self.event(&reader, message).await,
                    Some(Err(error)) => {
                        return Failure::of(&self.metrics, Operation::Follow, &error);
                    },
                    None => return Failure::new(&self.metrics, Operation::Follow, Reason::Closed),
                },
                Some(answer) = answers.join_next() => match answer {
                    Ok(Ok(Some(report))) => {
                        if matches!(report, Report::Listed { .. }) {
                            listing = false;
                            self.up();
                        }
                        self.report(report).await;
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(failure)) => return failure,
                    // A request that panicked or was cancelled has no answer.
                    Err(_) => return Failure::new(&self.metrics, Operation::Inspect, Reason::Closed),
                },
                _ = reconcile.tick(), if !listing => {
                    listing = true;
                    drop(answers.spawn(reader.clone().list()));
                }
                Some(id) = self.wanted.recv(), if answers.len() < self.settings.requests.max(1) => {
                    drop(answers.spawn(reader.clone().inspect(id)));
                }
            }
        }
    }

    /// Connects, and makes sure that an engine answers.
    async fn open(&self) -> Result<Reader, Failure> {
        let reader = Reader::connect(&self.address, &self.settings, &self.metrics)?;
        reader.greet().await?;
        Ok(reader)
    }

    /// The engine is connected and has listed its containers.
    fn up(&mut self) {
        self.metrics.runtime_up(RUNTIME, true);
        if self.logged.take().is_some() {
            tracing::info!(address = %self.address, "docker answers again");
        }
    }

    async fn event(&mut self, reader: &Reader, message: EventMessage) {
        // The engine would not take a time before the epoch.
        self.since = message.time_nano.filter(|&nanos| nanos > 0).unwrap_or(self.since);
        if let Some(report) = reader.event(message) {
            self.report(report).await;
        }
    }

    /// Nobody listening any more is no error: `run` ends on it.
    async fn report(&self, report: Report) {
        let _closed = self.reports.send(report).await;
    }
}

/// A number that differs between agents: std seeds its hash maps by it.
fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}
