//! What a broker holds.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{Broker, wait};

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `None` if it has none.
    pub(crate) key: Option<String>,
    /// Names and values, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// Milliseconds since the epoch.
    pub(crate) time_ms: Option<i64>,
    /// The record.
    pub(crate) value: Vec<u8>,
}

impl Message {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            key: message.key().map(text),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                .collect(),
            time_ms: message.timestamp().to_millis(),
            value: message.payload().unwrap_or_default().to_owned(),
        }
    }
}

/// Makes a topic of one partition with options of its own.
pub(crate) fn create(broker: &Broker, topic: &str, options: &[(&str, &str)]) -> Result<()> {
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.address()).create()?;
    let mut wanted = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    for (key, value) in options {
        wanted = wanted.set(key, value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(client.create_topics([&wanted], &AdminOptions::new()))?;
    for result in made {
        result.map_err(|(topic, error)| anyhow!("topic `{topic}`: {error}"))?;
    }
    Ok(())
}

/// The values of a topic of one partition, as [`messages`] reads them.
pub(crate) fn read(
    broker: &Broker,
    topic: &str,
    count: usize,
    limit: Duration,
) -> Result<Vec<Vec<u8>>> {
    let messages = messages(broker, topic, count, limit)?;
    Ok(messages.into_iter().map(|message| message.value).collect())
}

/// The records of a topic of one partition from its beginning, in order: at least `count` of them, and any more that the
/// topic holds by then.
pub(crate) fn messages(
    broker: &Broker,
    topic: &str,
    count: usize,
    limit: Duration,
) -> Result<Vec<Message>> {
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
    let mut messages = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => messages.push(Message::new(&message)),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) if messages.len() >= count => {
                return Ok(messages);
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
        if Instant::now() >= end {
            bail!(
                "waited {limit:?} for {count} records in topic `{topic}`, got {}",
                messages.len()
            );
        }
    }
}

/// A batch as the broker keeps it, which is as the producer sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    /// How it is compressed: 0 not, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) codec: u8,
    /// Number of records.
    pub(crate) records: u32,
}

/// The batches of a topic of one partition. <https://kafka.apache.org/documentation/#recordbatch>
pub(crate) fn stored(broker: &Broker, topic: &str) -> Result<Vec<StoredBatch>> {
    let log = std::fs::read(broker.log(topic))?;
    let mut batches = Vec::new();
    let mut rest = &log[..];
    while rest.len() >= 61 {
        let number =
            |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        batches.push(StoredBatch { codec: rest[22] & 7, records: number(57) });
        rest = rest.get(12 + number(8) as usize..).context("a batch without its end")?;
    }
    Ok(batches)
}
