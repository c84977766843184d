//! A librdkafka producer: how it is started, and how it is given a record.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::Error;
use super::delivery::{Context, InFlight, Reports, refusal};

/// A producer with a thread for its events. Dropped, it gives back what it has not delivered.
pub(super) type Producer = ThreadedProducer<Context>;

/// How long one call may wait for room in librdkafka's memory.
const PATIENCE: Duration = Duration::from_millis(250);
/// First pause while it is waited; it doubles.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts a producer; it sends each record on its own if `alone`.
pub(super) fn create(
    config: &ClientConfig,
    reports: &Arc<Reports>,
    alone: bool,
) -> Result<Producer, Error> {
    /// Would keep the reports of delivered records from us, and nothing would ever be acknowledged.
    const ONLY_ERRORS: &str = "delivery.report.only.error";
    if config.get(ONLY_ERRORS).is_some() {
        let reason = "may not be set: deliveries could not be acknowledged".to_owned();
        return Err(Error::Option { option: ONLY_ERRORS.to_owned(), reason });
    }
    let mut config = config.clone();
    if alone {
        config.set("batch.num.messages", "1");
    }
    let context = Context { reports: Arc::clone(reports), alone };
    config.create_with_context(context).map_err(|error| match error {
        KafkaError::ClientConfig(_, reason, option, _secret) => Error::Option { option, reason },
        KafkaError::ClientCreation(reason) => Error::Client { reason },
        other => Error::Client { reason: other.to_string() },
    })
}

/// Hands one record to librdkafka, waiting for room for a while. A record that is refused at once is done with.
pub(super) fn send(
    producer: &Producer,
    reports: &Reports,
    mut message: BaseRecord<'_, [u8], [u8], Arc<InFlight>>,
) -> Result<(), Error> {
    let mut pause = PAUSE;
    loop {
        let Err((error, unsent)) = producer.send(message) else {
            return Ok(());
        };
        message = unsent;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if pause < PATIENCE => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            Some(RDKafkaErrorCode::QueueFull) => {
                return Err(Error::Full { records: producer.in_flight_count() as usize });
            }
            Some(code) if refusal(code).is_some() => {
                let value = message.payload.unwrap_or_default();
                reports.refuse(code, message.topic, value, message.delivery_opaque);
                return Ok(());
            }
            _ => {
                return Err(Error::Fatal { reason: error.to_string() });
            }
        }
    }
}
