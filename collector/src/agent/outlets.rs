//! The end of the line: the sinks of a configuration, each on its thread and with a buffer before it.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep_until, timeout_at};

use super::lease::{Lease, Lessor};
use crate::buffer::{Buffer, Consumer};
use crate::config;
use crate::metrics::Metrics;
use crate::sink::{self, Settings, Sink, Worker};

/// How long after its deadline a sink's thread may take to end.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// How long a sink may take to deliver what it has in hand, when another one goes on with its buffer.
const HAND_OVER: Duration = Duration::from_secs(5);

/// A sink cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to open sink `{name}`")]
pub struct Error {
    name: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    fn hung(sink: &config::Sink) -> Self {
        let source = "its buffer on disk is held by a sink that does not end".into();
        Self { name: sink.name.clone(), source }
    }

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
    lessor: Lessor,
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
    /// A buffer on disk that stays as it is gets another sink: the old one ends with what it has in hand, and the new one goes
    /// on from there. Batches wait in the buffer meanwhile.
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
        let (heirs, others): (Vec<_>, Vec<_>) =
            sinks.iter().filter(is_new).partition(|sink| self.has_buffer_of(sink));
        let (held, free): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|sink| self.holds_file_of(sink));
        let open_free = |sink| {
            let is_free = !self.holds_file_of(sink);
            let opened = is_free.then(|| open(sink, &self.metrics)).transpose();
            opened.map(|opened| (sink, opened))
        };
        let heirs: Vec<_> = heirs.into_iter().map(open_free).collect::<Result<_, Error>>()?;
        let started = self.start_all(free.into_iter())?;
        let held = held.into_iter().map(|sink| Ok((sink, self.buffer(sink)?)));
        let held: Vec<_> = held.collect::<Result<_, Error>>()?;

        let (kept, gone): (Vec<_>, Vec<_>) =
            mem::take(&mut self.current).into_iter().partition(|old| sinks.contains(&old.sink));
        let has_heir = |old: &Outlet| heirs.iter().any(|(heir, _)| is_same_buffer(&old.sink, heir));
        let (testators, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(has_heir);
        self.current = [kept, started].into_iter().flatten().collect();
        let waiting = held.iter().map(|(_, (buffer, _))| Arc::clone(buffer));
        let inherited = testators.iter().map(|old| Arc::clone(&old.buffer));
        let waiting = waiting.chain(inherited);
        hand_over(self.buffers().into_iter().chain(waiting).collect());
        unblock(&gone, deadline);
        self.former.retain(|outlet| !outlet.worker.is_finished());
        self.former.extend(gone);

        let mut ready = Vec::new();
        for ((sink, opened), old) in pair(heirs, testators) {
            let buffer = Arc::clone(&old.buffer);
            let consumer = take_back(old, deadline).await.ok_or_else(|| Error::hung(sink))?;
            ready.push((sink, opened, buffer, consumer));
        }
        ready.extend(held.into_iter().map(|(sink, (buffer, end))| (sink, None, buffer, end)));
        for (sink, opened, buffer, consumer) in ready {
            let opened = match opened {
                Some(opened) => opened,
                None => self.open_after(sink, deadline).await?,
            };
            let outlet = self.start(sink, opened, buffer, consumer)?;
            self.current.push(outlet);
        }
        Ok(())
    }

    /// Opens a sink when those that have its file have ended.
    async fn open_after(
        &mut self,
        sink: &config::Sink,
        deadline: Instant,
    ) -> Result<Box<dyn Sink>, Error> {
        let of_file = |outlet: &Outlet| file_of(&outlet.sink) == file_of(sink);
        let (old, former) = mem::take(&mut self.former).into_iter().partition(of_file);
        self.former = former;
        end(old, deadline).await;
        open(sink, &self.metrics)
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
        consumer: Consumer,
    ) -> Result<Outlet, Error> {
        let (ended, name) = (self.ended.clone(), sink.name.clone());
        let (mut lease, lessor) = Lease::of(consumer);
        let is_asked = lessor.is_asked();
        let report = move |result| {
            // What it did not deliver, another one does.
            if is_asked.load(Ordering::Acquire) {
                return;
            }
            // Nobody listening: the agent is gone already.
            let _closed = ended.blocking_send(Ended { sink: name, result });
        };
        let source = move |timeout| lease.pop(timeout);
        let worker = Worker::spawn(opened, self.metrics.sink.sink(&sink.name), source, report)
            .map_err(|source| Error::new(sink, source))?;
        Ok(Outlet { sink: sink.clone(), buffer, worker, lessor })
    }

    fn has_buffer_of(&self, sink: &config::Sink) -> bool {
        self.current.iter().any(|outlet| is_same_buffer(&outlet.sink, sink))
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

/// Whether one sink can go on with the other's buffer, which outlives it.
fn is_same_buffer(old: &config::Sink, new: &config::Sink) -> bool {
    old.buffer.disk.is_some() && (&old.name, &old.buffer) == (&new.name, &new.buffer)
}

/// Each heir with the one it inherits from.
fn pair<T>(
    heirs: Vec<(&config::Sink, T)>,
    mut testators: Vec<Outlet>,
) -> Vec<((&config::Sink, T), Outlet)> {
    let mut pairs = Vec::new();
    for heir in heirs {
        if let Some(at) = testators.iter().position(|old| is_same_buffer(&old.sink, heir.0)) {
            pairs.push((heir, testators.swap_remove(at)));
        }
    }
    pairs
}

/// Ends a sink with what it has in hand. Its buffer's end; none if it hangs.
async fn take_back(outlet: Outlet, deadline: Instant) -> Option<Consumer> {
    let deadline = deadline.min(Instant::now() + HAND_OVER);
    let Outlet { worker, lessor, .. } = outlet;
    lessor.ask();
    worker.stop(deadline);
    let ended = async {
        let consumer = lessor.take_back().await?;
        // Until then it has its file.
        let _panicked = spawn_blocking(move || worker.join()).await;
        Some(consumer)
    };
    timeout_at((deadline + LAST_STEPS).into(), ended).await.ok()?
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
