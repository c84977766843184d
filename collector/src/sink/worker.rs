//! Runs one sink on a thread of its own: takes deliveries, retries, says when an outage begins and ends.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tracing::{info, warn};

use super::retry::Backoff;
use super::{Error, Sink, SinkMetrics};
use crate::record::Delivery;

/// Longest time between two calls of a sink without work.
const TICK: Duration = Duration::from_secs(1);
/// How long a sink may take to close if nobody called [`Worker::stop`].
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A running sink.
#[derive(Debug)]
pub struct Worker {
    stop: Sender<Instant>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread, named after the sink.
    ///
    /// `source` gives the next delivery: it waits for as long as it is told, and is disconnected when there will be none.
    /// `ended` is told how it ended, on the sink's thread: all delivered, [`Error::Closed`], or what was left undelivered.
    pub fn spawn(
        sink: Box<dyn Sink>,
        metrics: SinkMetrics,
        source: impl FnMut(Duration) -> Result<Delivery, RecvTimeoutError> + Send + 'static,
        ended: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (stop, stopped) = bounded(1);
        let name = metrics.name().to_owned();
        let run = Run { sink, metrics, stopped, deadline: None, random: RandomState::new() };
        let thread = std::thread::Builder::new()
            .name(format!("sink-{name}"))
            .spawn(move || ended(run.until_end(source)))
            .map_err(|source| Error::Thread { sink: name, source })?;
        Ok(Self { stop, thread })
    }

    /// Sets the time by which the sink ends whether or not all is delivered. Until then it goes on, so the source has to be
    /// closed as well. The first call counts.
    pub fn stop(&self, deadline: Instant) {
        let _already_stopped = self.stop.try_send(deadline);
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of the thread. Returns `false` if it panicked.
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

struct Run {
    sink: Box<dyn Sink>,
    metrics: SinkMetrics,
    stopped: Receiver<Instant>,
    deadline: Option<Instant>,
    random: RandomState,
}

impl Run {
    fn until_end(
        mut self,
        mut source: impl FnMut(Duration) -> Result<Delivery, RecvTimeoutError>,
    ) -> Result<(), Error> {
        while !self.is_late() {
            let result = match source(TICK) {
                Ok(delivery) => self.sink.deliver(delivery),
                Err(RecvTimeoutError::Timeout) => self.sink.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match result {
                Ok(()) => {}
                Err(Error::Closed) => return Err(Error::Closed),
                Err(error) => {
                    if self.retry(&error)?.is_break() {
                        break;
                    }
                }
            }
        }
        self.is_late();
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + CLOSE_TIMEOUT);
        self.sink.close(deadline)
    }

    /// Repeats what failed until it succeeds, or the deadline is near.
    fn retry(&mut self, error: &Error) -> Result<ControlFlow<()>, Error> {
        let sink = self.metrics.name().to_owned();
        warn!(sink, %error, "the sink does not take records; they are held and tried again");
        let mut backoff = Backoff::default();
        let since = Instant::now();
        loop {
            self.metrics.retries.inc();
            let delay = backoff.next(self.random.hash_one(Instant::now()));
            if self.wait(delay).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match self.sink.tick() {
                Ok(()) => break,
                Err(Error::Closed) => return Err(Error::Closed),
                Err(_same_outage) => {}
            }
        }
        info!(sink, outage_seconds = since.elapsed().as_secs_f64(), "the sink takes records again");
        Ok(ControlFlow::Continue(()))
    }

    /// Waits; breaks when the deadline came. Once a deadline is known, attempts follow each other quickly.
    fn wait(&mut self, delay: Duration) -> ControlFlow<()> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Backoff::FIRST));
        } else if let Ok(deadline) = self.stopped.recv_timeout(delay) {
            self.deadline = Some(deadline);
        }
        if self.is_late() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_late(&mut self) -> bool {
        if let Ok(deadline) = self.stopped.try_recv() {
            self.deadline = Some(deadline);
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
