//! The end of the line: the sinks of a configuration, each on its thread and with a buffer before it.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::buffer::{Buffer, Consumer};
use crate::config;
use crate::metrics::Metrics;
use crate::sink::{self, Settings, Sink, Worker};

/// How long after its deadline a sink's thread may take to end.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// A sink cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to open sink `{name}`")]
pub struct Error {
    name: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    fn new(sink: &config::Sink, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { name: sink.name.clone(), source: Box::new(source) }
    }
}

/// A sink has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its name.
    pub(super) sink: String,
    /// How.
    pub(super) result: Result<(), sink::Error>,
}

/// A running sink.
#[derive(Debug)]
struct Outlet {
    sink: config::Sink,
    buffer: Arc<Buffer>,
    worker: Worker,
}

/// The running sinks.
#[derive(Debug)]
pub(super) struct Outlets {
    metrics: Metrics,
    ended: mpsc::Sender<Ended>,
    current: Vec<Outlet>,
    /// Of earlier configurations: closed, they deliver what they hold.
    former: Vec<Outlet>,
}

impl Outlets {
    /// Opens every sink, and starts them when all are open.
    pub(super) fn open(
        sinks: &[config::Sink],
        metrics: &Metrics,
        ended: mpsc::Sender<Ended>,
    ) -> Result<Self, Error> {
        let metrics = metrics.clone();
        let mut outlets = Self { metrics, ended, current: Vec::new(), former: Vec::new() };
        outlets.current = outlets.start_all(sinks.iter())?;
        Ok(outlets)
    }

    /// Where batches go.
    pub(super) fn buffers(&self) -> Vec<Arc<Buffer>> {
        self.current.iter().map(|outlet| Arc::clone(&outlet.buffer)).collect()
    }

    /// Goes over to the sinks of another configuration. One that stays as it is runs on; the others are opened before
    /// anything is closed, and if that fails nothing changes. `hand_over` gets the new buffers; whoever pushes closes those
    /// that are not among them.
    ///
    /// A file whose path stays and whose rules change is let go of first: its new sink is opened when the old one has
    /// delivered what it holds, or `deadline` has come. Batches wait in the new buffer meanwhile.
    pub(super) async fn replace(
        &mut self,
        sinks: &[config::Sink],
        deadline: Instant,
        hand_over: impl FnOnce(Vec<Arc<Buffer>>),
    ) -> Result<(), Error> {
        let is_new = |sink: &&config::Sink| self.current.iter().all(|old| old.sink != **sink);
        let (held, free): (Vec<_>, Vec<_>) =
            sinks.iter().filter(is_new).partition(|sink| self.holds_file_of(sink));
        let started = self.start_all(free.into_iter())?;
        let held = held.into_iter().map(|sink| Ok((sink, self.buffer(sink)?)));
        let held: Vec<_> = held.collect::<Result<_, Error>>()?;

        let (kept, gone): (Vec<_>, Vec<_>) =
            mem::take(&mut self.current).into_iter().partition(|old| sinks.contains(&old.sink));
        self.current = [kept, started].into_iter().flatten().collect();
        let waiting = held.iter().map(|(_, (buffer, _))| Arc::clone(buffer));
        hand_over(self.buffers().into_iter().chain(waiting).collect());
        unblock(&gone, deadline);
        self.former.retain(|outlet| !outlet.worker.is_finished());
        self.former.extend(gone);

        for (sink, (buffer, consumer)) in held {
            let of_file = |outlet: &Outlet| file_of(&outlet.sink) == file_of(sink);
            let (old, former) = mem::take(&mut self.former).into_iter().partition(of_file);
            self.former = former;
            end(old, deadline).await;
            let opened = open(sink, &self.metrics)?;
            let outlet = self.start(sink, opened, buffer, consumer)?;
            self.current.push(outlet);
        }
        Ok(())
    }

    /// Waits until every sink has delivered what it holds, or `deadline` has come. Returns how many records are left.
    pub(super) async fn shut_down(self, deadline: Instant) -> usize {
        let all: Vec<Outlet> = self.former.into_iter().chain(self.current).collect();
        let progress: Vec<_> = all.iter().map(|outlet| outlet.buffer.progress()).collect();
        end(all, deadline).await;
        progress.iter().map(|progress| progress.unacknowledged().1).sum()
    }

    fn start_all<'a>(
        &self,
        sinks: impl Iterator<Item = &'a config::Sink>,
    ) -> Result<Vec<Outlet>, Error> {
        let opened = sinks.map(|sink| Ok((sink, open(sink, &self.metrics)?)));
        let opened: Vec<_> = opened.collect::<Result<_, Error>>()?;
        let start = |(sink, opened)| {
            let (buffer, consumer) = self.buffer(sink)?;
            self.start(sink, opened, buffer, consumer)
        };
        opened.into_iter().map(start).collect()
    }

    fn buffer(&self, sink: &config::Sink) -> Result<(Arc<Buffer>, Consumer), Error> {
        let (buffer, consumer) = Buffer::open(&sink.name, &sink.buffer, &self.metrics.buffer)
            .map_err(|source| Error::new(sink, source))?;
        Ok((Arc::new(buffer), consumer))
    }

    fn start(
        &self,
        sink: &config::Sink,
        opened: Box<dyn Sink>,
        buffer: Arc<Buffer>,
        mut consumer: Consumer,
    ) -> Result<Outlet, Error> {
        let (ended, name) = (self.ended.clone(), sink.name.clone());
        let report = move |result| {
            // Nobody listening: the agent is gone already.
            let _closed = ended.blocking_send(Ended { sink: name, result });
        };
        let source = move |timeout| consumer.pop(timeout);
        let worker = Worker::spawn(opened, self.metrics.sink.sink(&sink.name), source, report)
            .map_err(|source| Error::new(sink, source))?;
        Ok(Outlet { sink: sink.clone(), buffer, worker })
    }

    fn holds_file_of(&self, sink: &config::Sink) -> bool {
        let running = self.current.iter().chain(&self.former);
        file_of(sink).is_some_and(|path| {
            running.map(|outlet| file_of(&outlet.sink)).any(|held| held == Some(path))
        })
    }
}

fn open(sink: &config::Sink, metrics: &Metrics) -> Result<Box<dyn Sink>, Error> {
    sink::open(&sink.name, &sink.settings, &metrics.sink).map_err(|source| Error::new(sink, source))
}

/// The file that a sink has for itself.
fn file_of(sink: &config::Sink) -> Option<&Path> {
    match &sink.settings {
        Settings::File(file) => Some(&file.path),
        Settings::Kafka(kafka) => kafka.dead_letters.as_ref().map(|letters| letters.path.as_path()),
        Settings::Console(_) | Settings::Discard => None,
    }
}

/// Whoever pushes closes the buffers that are left behind; one that waits for room in them does not come to it by itself.
fn unblock(outlets: &[Outlet], deadline: Instant) {
    let buffers: Vec<_> = outlets.iter().map(|outlet| Arc::clone(&outlet.buffer)).collect();
    drop(tokio::spawn(async move {
        sleep_until(deadline.into()).await;
        for buffer in buffers {
            buffer.close();
        }
    }));
}

/// Waits for the sinks' threads; one that hangs past the deadline is left behind.
async fn end(outlets: Vec<Outlet>, deadline: Instant) {
    let mut ends = JoinSet::new();
    for Outlet { worker, buffer, .. } in outlets {
        worker.stop(deadline);
        // The buffer's pushing end lives until then.
        ends.spawn_blocking(move || (worker.join(), buffer));
    }
    let all = async { while ends.join_next().await.is_some() {} };
    let _hangs = timeout_at((deadline + LAST_STEPS).into(), all).await;
    ends.detach_all();
}
