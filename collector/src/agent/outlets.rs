//! The end of the line: opens the sinks of a configuration, puts a buffer before them, runs each on its thread.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::buffer::{self, Buffer, Progress};
use crate::config;
use crate::metrics::Metrics;
use crate::sink::{self, Worker};

/// A sink has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its name.
    pub(super) sink: String,
    /// How.
    pub(super) result: Result<(), sink::Error>,
}

/// The sinks of one configuration, running.
#[derive(Debug)]
pub(super) struct Outlets {
    /// Batches go in here.
    pub(super) buffer: Arc<Buffer>,
    /// What has been delivered.
    pub(super) progress: Progress,
    workers: Vec<Worker>,
}

/// Why the sinks do not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A sink cannot be opened.
    #[error("sink `{name}`")]
    Sink {
        /// Its name.
        name: String,
        /// Why.
        source: sink::Error,
    },
    /// The buffer cannot be had.
    #[error(transparent)]
    Buffer(#[from] buffer::Error),
}

impl Outlets {
    /// Opens every sink, and starts them when all are open.
    pub(super) fn open(
        sinks: &[config::Sink],
        metrics: &Metrics,
        ended: &mpsc::Sender<Ended>,
    ) -> Result<Self, Error> {
        let failed = |name: &str| {
            let name = name.to_owned();
            |source| Error::Sink { name, source }
        };
        let mut open = Vec::new();
        for sink in sinks {
            let opened = sink::open(&sink.name, &sink.settings, &metrics.sink);
            open.push((&sink.name, opened.map_err(failed(&sink.name))?));
        }
        let settings = buffer::Settings {
            sinks: sinks.iter().map(|sink| (sink.name.clone(), sink.queue)).collect(),
            max_open_batches: buffer::Settings::MAX_OPEN_BATCHES,
        };
        let (buffer, consumers) = Buffer::new(&settings, &metrics.buffer)?;
        let mut workers = Vec::new();
        for ((name, sink), consumer) in open.into_iter().zip(consumers) {
            let source = move |timeout| consumer.pop(timeout);
            let (sender, ended_name) = (ended.clone(), name.clone());
            let report = move |result| {
                // Nobody listening: the agent is gone already.
                let _closed = sender.blocking_send(Ended { sink: ended_name, result });
            };
            let worker = Worker::spawn(sink, metrics.sink.sink(name), source, report);
            workers.push(worker.map_err(failed(name))?);
        }
        let progress = buffer.progress();
        Ok(Self { buffer: Arc::new(buffer), progress, workers })
    }

    /// Number of sinks.
    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// Sets the time by which every sink ends, whether or not it has delivered all.
    pub(super) fn stop(&self, deadline: Instant) {
        for worker in &self.workers {
            worker.stop(deadline);
        }
    }

    /// Lets go of threads that have ended; those of a sink that hangs are left behind.
    pub(super) fn records_left(&self) -> usize {
        self.progress.unacknowledged().1
    }
}
