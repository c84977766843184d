//! The last stage: batches of records → destinations.
//!
//! A [`Sink`] is one destination. A [`Worker`] runs it on a thread of its own: takes deliveries off a source, retries with
//! back-off, reports an outage once. A sink acknowledges a delivery's receipt when its destination has the records; what it
//! was given and could not deliver it keeps, and goes on with at the next [`Sink::tick`].
//!
//! Queues, and who waits for acknowledgements, are not here.

mod console;
mod discard;
mod file;
mod format;
mod kafka;
mod metrics;
mod retry;
#[cfg(test)]
mod samples;
mod worker;

use std::time::Instant;

pub use console::{
    Console, Error as ConsoleError, Format as ConsoleFormat, Settings as ConsoleSettings,
};
pub use discard::Discard;
pub use file::{
    Compression as FileCompression, Error as FileError, File, Settings as FileSettings,
};
pub use format::Format;
pub use kafka::{
    Acks, Compression as KafkaCompression, DeadLetterSettings, Error as KafkaError, Kafka, Sasl,
    SaslMechanism, Settings as KafkaSettings, Template, TemplateError, Tls,
};
pub use metrics::{Metrics, SinkMetrics};
pub use worker::Worker;

use crate::record::Delivery;

/// A destination, and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Settings {
    /// Standard output.
    Console(ConsoleSettings),
    /// A file, rotated.
    File(FileSettings),
    /// Topics of Apache Kafka.
    Kafka(Box<KafkaSettings>),
    /// Nowhere: to measure what the stages before cost.
    Discard,
}

/// Why a destination does not take records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`ConsoleError`].
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// See [`FileError`].
    #[error(transparent)]
    File(#[from] FileError),
    /// See [`KafkaError`].
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Nobody will ever read the destination again: a clean end, not to be retried.
    #[error("the reader of standard output is gone")]
    Closed,
    /// The sink's thread could not be started.
    #[error("failed to start the thread of sink `{sink}`: {source}")]
    Thread {
        /// The sink's name.
        sink: String,
        /// Why.
        source: std::io::Error,
    },
}

/// One destination. All calls come from one thread.
pub trait Sink: Send {
    /// Takes a batch. After an error, which is of the destination and not of this batch, the sink keeps what is left of it,
    /// and no other batch is given to it before [`Sink::tick`] succeeds.
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Error>;

    /// Goes on with what is left, and does what is due by time. Called about once a second, and to retry.
    fn tick(&mut self) -> Result<(), Error>;

    /// Delivers what is left until `deadline`; the error says what could not be. Called once, as the last.
    fn close(&mut self, deadline: Instant) -> Result<(), Error>;
}

/// Opens the sink called `name`: checks what can be checked without the destination's answer.
pub fn open(name: &str, settings: &Settings, metrics: &Metrics) -> Result<Box<dyn Sink>, Error> {
    let metrics = metrics.sink(name);
    Ok(match settings {
        Settings::Console(settings) => Box::new(Console::open(settings, metrics)?),
        Settings::File(settings) => Box::new(File::open(settings, metrics)?),
        Settings::Kafka(settings) => Box::new(Kafka::open(settings, metrics)?),
        Settings::Discard => Box::new(Discard::new(metrics)),
    })
}
