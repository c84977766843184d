//! Topics of Apache Kafka, by librdkafka.
//!
//! librdkafka keeps encoded records in bounded memory, batches, sends and retries them on threads of its own; its delivery
//! reports acknowledge. A broker that is away loses nothing: memory fills, then deliveries fail, then the queue before this
//! sink fills. Records refused for good are counted and logged once ([`delivery`]), and kept in a file if there is one for them
//! ([`dead_letter`]). What librdkafka gives up without a refusal is
//! sent again from here.

mod dead_letter;
mod delivery;
mod producer;
mod settings;
mod template;

use std::sync::Arc;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use self::dead_letter::DeadLetters;
pub use self::dead_letter::Settings as DeadLetterSettings;
use self::delivery::{InFlight, Reports, Returned};
use self::producer::{Producer, create, send};
pub use self::settings::{Acks, Compression, Sasl, SaslMechanism, Settings, Tls};
pub use self::template::{Template, TemplateError};
use super::file::Error as FileError;
use super::format::{ContainerCache, Encoder, Format};
use super::{Sink, SinkMetrics};
use crate::record::{Batch, Container, Delivery, Stream};

/// Why Kafka does not take records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No broker is named.
    #[error("kafka sink: `brokers` is empty; name at least one as `host:port`")]
    NoBrokers,
    /// The topic's template is wrong.
    #[error("kafka sink: `topic`: {0}")]
    Topic(#[source] TemplateError),
    /// librdkafka refuses an option.
    #[error("kafka sink: option `{option}`: {reason}")]
    Option {
        /// The option's name in librdkafka.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// librdkafka refuses the options as a whole, or what they lead to.
    #[error("kafka sink: failed to set up the client: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
    /// Dead letters cannot be kept.
    #[error("kafka sink: dead letters: {0}")]
    DeadLetter(#[source] FileError),
    /// Memory for records in flight is full.
    #[error(
        "kafka sink: the cluster takes records slower than they come, or none; {records} are in flight"
    )]
    Full {
        /// Records in flight.
        records: usize,
    },
    /// The producer cannot go on, and is made anew.
    #[error("kafka sink: the producer failed and is restarted: {reason}")]
    Fatal {
        /// Why.
        reason: String,
    },
    /// The deadline came.
    #[error(
        "kafka sink: {records} records were not delivered in time; they are lost with the agent"
    )]
    Undelivered {
        /// How many.
        records: usize,
    },
}

/// Where the records of one container go, by stream.
type Addresses = [Address; Stream::ALL.len()];

#[derive(Debug)]
struct Address {
    topic: String,
    key: Option<String>,
}

/// A batch that is being handed to librdkafka.
struct Sending {
    batch: Arc<Batch>,
    in_flight: Arc<InFlight>,
    next: usize,
    bytes: usize,
}

/// Hands records to librdkafka.
pub struct Kafka {
    config: ClientConfig,
    producer: Producer,
    /// Sends each record on its own; made when it is needed.
    alone: Option<Producer>,
    reports: Arc<Reports>,
    dead_letters: Option<DeadLetters>,
    topic: Template,
    key: Option<Template>,
    headers: Option<OwnedHeaders>,
    addresses: ContainerCache<Addresses>,
    encoder: Encoder,
    value: Vec<u8>,
    sending: Option<Sending>,
    broken: bool,
}

impl Kafka {
    /// Checks the settings and starts the client. The brokers need not be there yet.
    pub fn open(settings: &Settings, metrics: SinkMetrics) -> Result<Self, Error> {
        if settings.brokers.is_empty() {
            return Err(Error::NoBrokers);
        }
        settings.topic.check_topic().map_err(Error::Topic)?;
        let config = settings.client_config();
        let dead_letters = settings.dead_letters.as_ref().map(DeadLetters::open).transpose();
        let dead_letters = dead_letters.map_err(Error::DeadLetter)?;
        if dead_letters.is_some() {
            metrics.expect_dead_letters();
        }
        let reports = Arc::new(Reports::new(metrics, dead_letters.is_some()));
        let producer = create(&config, &reports, false)?;
        let insert = |headers: OwnedHeaders, (key, value): (&String, &String)| {
            headers.insert(Header { key, value: Some(value) })
        };
        let headers = (!settings.headers.is_empty())
            .then(|| settings.headers.iter().fold(OwnedHeaders::new(), insert));
        Ok(Self {
            config,
            producer,
            alone: None,
            reports,
            dead_letters,
            topic: settings.topic.clone(),
            key: settings.key.clone(),
            headers,
            addresses: ContainerCache::default(),
            encoder: Encoder::new(Format::Json),
            value: Vec::new(),
            sending: None,
            broken: false,
        })
    }

    /// Hands over all that is left: what came back first, since it is older.
    fn send_rest(&mut self) -> Result<(), Error> {
        if self.broken {
            // The old producer gives its records back as it is dropped.
            self.producer = create(&self.config, &self.reports, false)?;
            self.broken = false;
        }
        self.keep_refused();
        self.send_again()?;
        let Some(mut sending) = self.sending.take() else {
            return Ok(());
        };
        let result = self.send_batch(&mut sending);
        if result.is_err() {
            self.sending = Some(sending);
            return result;
        }
        let Sending { batch: _, in_flight, next: _, bytes } = sending;
        in_flight.set_bytes(bytes);
        self.reports.release(in_flight);
        Ok(())
    }

    fn send_batch(&mut self, sending: &mut Sending) -> Result<(), Error> {
        let Sending { batch, in_flight, next, bytes } = sending;
        while let Some(record) = batch.get(*next) {
            let Self { topic, key, addresses, encoder, value, .. } = self;
            let make = |container: &Container| addresses_of(container, topic, key.as_ref());
            let addresses = addresses.get_or_insert_with(record.container, make);
            let Address { topic, key } = &addresses[record.stream.index()];
            value.clear();
            encoder.append(&record, value);
            let mut message = BaseRecord::with_opaque_to(topic, Arc::clone(in_flight))
                .payload(&**value)
                .timestamp((record.time.as_nanos() / 1_000_000) as i64);
            message.key = key.as_deref().map(str::as_bytes);
            message.headers.clone_from(&self.headers);
            let sent = send(&self.producer, &self.reports, message);
            self.broken |= matches!(sent, Err(Error::Fatal { .. }));
            sent?;
            *next += 1;
            *bytes += value.len();
        }
        Ok(())
    }

    /// Writes what is refused to the dead letters: only then is it done with.
    fn keep_refused(&mut self) {
        let Self { dead_letters: Some(dead_letters), reports, .. } = self else {
            return;
        };
        let mut appended = Vec::new();
        for record in reports.take_refused() {
            match dead_letters.append(&record) {
                Ok(()) => appended.push(record),
                Err(error) => reports.lost(record, &error),
            }
        }
        if appended.is_empty() {
            return;
        }
        let synced = dead_letters.sync();
        for record in appended {
            match &synced {
                Ok(()) => reports.kept(record, dead_letters.path()),
                Err(error) => reports.lost(record, error),
            }
        }
    }

    /// Sends what came back.
    fn send_again(&mut self) -> Result<(), Error> {
        let mut returned = std::mem::take(&mut *self.reports.returned());
        let sent = self.send_each(&self.producer, &mut returned);
        put_back(returned, &mut self.reports.returned());
        self.broken |= matches!(sent, Err(Error::Fatal { .. }));
        sent?;

        let mut oversized = std::mem::take(&mut *self.reports.oversized());
        if oversized.is_empty() {
            return Ok(());
        }
        let alone = match self.alone.take() {
            Some(alone) => alone,
            None => create(&self.config, &self.reports, true)?,
        };
        let sent = self.send_each(&alone, &mut oversized);
        put_back(oversized, &mut self.reports.oversized());
        if !matches!(sent, Err(Error::Fatal { .. })) {
            self.alone = Some(alone);
        }
        sent
    }

    /// Sends records in order; leaves those that are not sent.
    fn send_each(&self, producer: &Producer, records: &mut Vec<Returned>) -> Result<(), Error> {
        let mut result = Ok(());
        let mut sent = 0;
        for Returned { topic, key, value, time_ms, batch } in &*records {
            let mut message =
                BaseRecord::with_opaque_to(topic, Arc::clone(batch)).payload(&**value);
            message.key = key.as_deref();
            message.timestamp = *time_ms;
            message.headers.clone_from(&self.headers);
            result = send(producer, &self.reports, message);
            if result.is_err() {
                break;
            }
            sent += 1;
        }
        for Returned { batch, .. } in records.drain(..sent) {
            self.reports.release(batch);
        }
        result
    }

    fn undelivered(&self) -> usize {
        let in_flight = |producer: &Producer| producer.in_flight_count() as usize;
        let rest = |sending: &Sending| sending.batch.len() - sending.next;
        in_flight(&self.producer)
            + self.alone.as_ref().map_or(0, in_flight)
            + self.reports.returned().len()
            + self.reports.oversized().len()
            + self.reports.refused()
            + self.sending.as_ref().map_or(0, rest)
    }
}

impl Sink for Kafka {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), super::Error> {
        let batch = Arc::clone(&delivery.batch);
        let in_flight = Arc::new(InFlight::new(delivery));
        self.sending = Some(Sending { batch, in_flight, next: 0, bytes: 0 });
        Ok(self.send_rest()?)
    }

    fn tick(&mut self) -> Result<(), super::Error> {
        Ok(self.send_rest()?)
    }

    fn close(&mut self, deadline: Instant) -> Result<(), super::Error> {
        loop {
            let sent = self.send_rest();
            let left = deadline.saturating_duration_since(Instant::now());
            // Reports come while it is waited; whether all is delivered is counted below.
            let _flushed = self.producer.flush(left);
            let left = deadline.saturating_duration_since(Instant::now());
            let _flushed = self.alone.as_ref().map(|alone| alone.flush(left));
            self.keep_refused();
            let records = self.undelivered();
            if records == 0 {
                return Ok(sent?);
            }
            if Instant::now() >= deadline {
                return Err(Error::Undelivered { records }.into());
            }
        }
    }
}

/// Puts records before those that came meanwhile.
fn put_back(mut older: Vec<Returned>, newer: &mut Vec<Returned>) {
    older.append(newer);
    *newer = older;
}

fn addresses_of(container: &Container, topic: &Template, key: Option<&Template>) -> Addresses {
    Stream::ALL.map(|stream| Address {
        topic: topic.render_topic(container, stream),
        key: key.map(|key| key.render(container, stream)),
    })
}

#[cfg(test)]
mod tests;
