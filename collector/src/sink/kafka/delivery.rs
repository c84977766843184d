//! What comes back from the cluster: which batches are done, which records are refused, which are to be sent again.
//!
//! Every record in flight holds an [`Arc`] of its batch. Whoever lets go of the last one acknowledges the batch; a record that
//! is to be sent again keeps its own, so that its batch waits for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use tracing::{debug, info, warn};

use super::super::SinkMetrics;
use super::super::file::Error as FileError;
use super::super::metrics::DropReason;
use super::dead_letter::Refused;
use crate::record::{Delivery, Receipt};

/// A batch on its way.
#[derive(Debug)]
pub(super) struct InFlight {
    receipt: Receipt,
    records: usize,
    bytes: AtomicUsize,
    dropped: AtomicUsize,
}

impl InFlight {
    pub(super) fn new(delivery: Delivery) -> Self {
        let Delivery { batch, receipt } = delivery;
        let (bytes, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { receipt, records: batch.len(), bytes, dropped }
    }

    /// The batch takes `bytes` on the wire.
    pub(super) fn set_bytes(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// A record to be sent again.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) topic: String,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) time_ms: Option<i64>,
    pub(super) batch: Arc<InFlight>,
}

impl Returned {
    fn new(message: &BorrowedMessage<'_>, batch: Arc<InFlight>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            key: message.key().map(<[u8]>::to_owned),
            value: message.payload().unwrap_or_default().to_owned(),
            time_ms: message.timestamp().to_millis(),
            batch,
        }
    }
}

/// What the producers' threads report to the sink.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) metrics: SinkMetrics,
    returned: Mutex<Vec<Returned>>,
    oversized: Mutex<Vec<Returned>>,
    /// Records to be written as dead letters; none when they are dropped.
    refused: Option<Mutex<Vec<Refused>>>,
    oversized_seen: AtomicBool,
    failing: AtomicBool,
    failures: Mutex<Vec<RDKafkaErrorCode>>,
}

impl Reports {
    /// Reports of a sink that keeps dead letters, or does not.
    pub(super) fn new(metrics: SinkMetrics, has_dead_letters: bool) -> Self {
        Self {
            metrics,
            returned: Mutex::default(),
            oversized: Mutex::default(),
            refused: has_dead_letters.then(Mutex::default),
            oversized_seen: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            failures: Mutex::default(),
        }
    }

    /// Records to be sent again. No more than were in flight.
    pub(super) fn returned(&self) -> MutexGuard<'_, Vec<Returned>> {
        locked(&self.returned)
    }

    /// Records whose batch was too large for the topic: each is to be sent on its own. No more than were in flight.
    pub(super) fn oversized(&self) -> MutexGuard<'_, Vec<Returned>> {
        locked(&self.oversized)
    }

    /// Takes the records to be written as dead letters. No more than were in flight, and a batch.
    pub(super) fn take_refused(&self) -> Vec<Refused> {
        self.refused.as_ref().map_or_else(Vec::new, |refused| std::mem::take(&mut *locked(refused)))
    }

    /// How many such records there are.
    pub(super) fn refused(&self) -> usize {
        self.refused.as_ref().map_or(0, |refused| locked(refused).len())
    }

    /// One record of `batch` less is on its way.
    pub(super) fn release(&self, batch: Arc<InFlight>) {
        if let Some(InFlight { receipt, records, bytes, dropped }) = Arc::into_inner(batch) {
            let accepted = records.saturating_sub(dropped.into_inner());
            self.metrics.accepted(accepted, bytes.into_inner());
            receipt.acknowledge();
        }
    }

    /// A record of `batch` is refused for good.
    pub(super) fn refuse(
        &self,
        code: RDKafkaErrorCode,
        topic: &str,
        value: &[u8],
        batch: Arc<InFlight>,
    ) {
        let reason = refusal(code).unwrap_or(DropReason::Invalid);
        batch.dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(refused) = &self.refused {
            let (topic, value) = (topic.to_owned(), value.to_owned());
            return locked(refused).push(Refused { code, reason, topic, value, batch });
        }
        if self.metrics.dropped(reason) {
            let (sink, remedy) = (self.metrics.name(), remedy(reason));
            warn!(sink, topic, error = %code, remedy, "Kafka refuses a record, which is dropped; counted from now on");
        }
        self.release(batch);
    }

    /// A refused record is a dead letter now.
    pub(super) fn kept(&self, record: Refused, path: &Path) {
        let Refused { code, reason, topic, value: _, batch } = record;
        if self.metrics.dead_letter(reason) {
            let (sink, remedy, path) = (self.metrics.name(), remedy(reason), path.display());
            warn!(sink, topic, error = %code, remedy, %path, "Kafka refuses a record, which is kept as a dead letter; counted from now on");
        }
        self.release(batch);
    }

    /// A refused record could not be written as a dead letter.
    pub(super) fn lost(&self, record: Refused, error: &FileError) {
        if self.metrics.dropped(DropReason::DeadLetterFailed) {
            let (sink, topic) = (self.metrics.name(), record.topic);
            warn!(sink, topic, %error, "a dead letter cannot be written, and is dropped; counted from now on");
        }
        self.release(record.batch);
    }

    fn oversized_once(&self, topic: &str) {
        if !self.oversized_seen.swap(true, Ordering::Relaxed) {
            let (sink, remedy) =
                (self.metrics.name(), "set max_record_bytes to the topic's max.message.bytes");
            warn!(
                sink,
                topic,
                remedy,
                "a topic refuses batches as too large; their records are sent one by one, slowly"
            );
        }
    }

    fn succeeded(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            locked(&self.failures).clear();
            info!(sink = self.metrics.name(), "Kafka takes records again");
        }
    }

    /// Counts a failed attempt to reach a broker, as librdkafka reports them: the first, and every half minute again. Says
    /// once an outage what is wrong.
    fn failed(&self, code: RDKafkaErrorCode, reason: &str) {
        let consequence = matches!(
            code,
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown
        );
        self.metrics.retries.inc();
        let mut failures = locked(&self.failures);
        if !failures.contains(&code) && (!consequence || failures.is_empty()) {
            failures.push(code);
            let sink = self.metrics.name();
            warn!(sink, error = %code, reason, "Kafka is out of reach; records are held and sent when it is back");
        }
        self.failing.store(true, Ordering::Relaxed);
    }
}

/// Why no retry will make the cluster take a record that was refused with `code`.
pub(super) const fn refusal(code: RDKafkaErrorCode) -> Option<DropReason> {
    Some(match code {
        RDKafkaErrorCode::MessageSizeTooLarge
        | RDKafkaErrorCode::MessageBatchTooLarge
        | RDKafkaErrorCode::InvalidMessageSize => DropReason::TooLarge,
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => DropReason::UnknownTopic,
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => DropReason::NotAuthorized,
        RDKafkaErrorCode::InvalidTopic
        | RDKafkaErrorCode::InvalidRecord
        | RDKafkaErrorCode::InvalidTimestamp
        | RDKafkaErrorCode::InvalidArgument
        | RDKafkaErrorCode::PolicyViolation => DropReason::Invalid,
        _ => return None,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn remedy(reason: DropReason) -> &'static str {
    match reason {
        DropReason::TooLarge => "raise max_record_bytes and the topic's max.message.bytes",
        DropReason::UnknownTopic => "create the topic, or let the brokers create topics",
        DropReason::NotAuthorized => "allow the agent's user to write to the topic",
        DropReason::Invalid | DropReason::DeadLetterFailed => {
            "see the error for what the cluster does not take"
        }
    }
}

/// Takes one producer's events, on its thread.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) reports: Arc<Reports>,
    /// Each record is sent on its own: one that is too large is so by itself.
    pub(super) alone: bool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.failed(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail), reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<InFlight>) {
        let Self { reports, alone } = self;
        let (error, message) = match result {
            Ok(_) => {
                reports.succeeded();
                return reports.release(batch);
            }
            Err((error, message)) => (error, message),
        };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        match refusal(code) {
            Some(DropReason::TooLarge) if !alone => {
                reports.oversized_once(message.topic());
                reports.oversized().push(Returned::new(message, batch));
            }
            Some(_) => {
                let value = message.payload().unwrap_or_default();
                reports.refuse(code, message.topic(), value, batch);
            }
            None => reports.returned().push(Returned::new(message, batch)),
        }
    }
}
