//! What a broker holds.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{Broker, wait};

/// The values of a topic of one partition from its beginning, in order: at least `count` of them, and any more that the
/// topic holds by then.
pub(crate) fn read(
    broker: &Broker,
    topic: &str,
    count: usize,
    limit: Duration,
) -> Result<Vec<Vec<u8>>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "writetap-e2e")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let end = Instant::now() + limit;
    wait::until(&format!("topic `{topic}`"), limit, || {
        // An unknown topic is an error, here and below: it comes with its first record.
        Ok(consumer.fetch_watermarks(topic, 0, Duration::from_secs(1)).ok())
    })?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let mut values = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => values.push(message.payload().unwrap_or_default().to_vec()),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) if values.len() >= count => {
                return Ok(values);
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} for {count} records in topic `{topic}`, got {}", values.len());
        }
    }
}
