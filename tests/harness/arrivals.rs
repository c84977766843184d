//! Records in the order in which they arrived somewhere, duplicates told from firsts by their uid. For more records than
//! [`super::Record`] is fit for: each is looked at once, and little of it is kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::Deserialize;

use super::{Broker, wait};

/// What is kept of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Its place among all that arrived.
    pub(crate) at: usize,
    /// The line, as it was written.
    pub(crate) body: Vec<u8>,
    /// Bytes that it stands for, if it is no line.
    pub(crate) lost_bytes: u64,
    /// By which duplicates are known.
    pub(crate) uid: String,
    /// Whether its uid had not come before.
    pub(crate) is_first: bool,
}

/// All that arrived, by container and stream.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    streams: BTreeMap<(String, String), Vec<Arrival>>,
    uids: HashSet<String>,
    count: usize,
    distinct: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct Text {
    body: String,
    #[serde(rename = "body.base64")]
    base64: Option<String>,
    #[serde(rename = "log.iostream")]
    stream: String,
    #[serde(rename = "log.record.uid")]
    uid: String,
    #[serde(rename = "log.capture.lost_bytes", default)]
    lost_bytes: u64,
    #[serde(rename = "container.id")]
    id: String,
    #[serde(rename = "container.name")]
    name: Option<String>,
}

impl Arrivals {
    /// How many records arrived.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Number of different uids of a container: its lines, and what stands for lost bytes.
    pub(crate) fn distinct(&self, container: &str) -> usize {
        self.distinct.get(container).copied().unwrap_or_default()
    }

    /// Takes what arrives until there are so many different records of each container, or more.
    pub(crate) fn until<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = (&'a str, u64)>,
        patience: Duration,
        mut take: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let wanted: Vec<_> = wanted.into_iter().collect();
        wait::until("all lines", patience, || {
            take(self)?;
            let has_all = |&(name, count): &(&str, u64)| self.distinct(name) as u64 >= count;
            Ok(wanted.iter().all(has_all).then_some(()))
        })
    }

    /// All that arrived of a stream, in order.
    pub(crate) fn stream(&self, container: &str, stream: &str) -> &[Arrival] {
        self.streams.get(&(container.to_owned(), stream.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The lines of a stream, in order, without duplicates and without what stands for lost bytes.
    pub(crate) fn lines(&self, container: &str, stream: &str) -> Vec<Vec<u8>> {
        let lines = self.stream(container, stream).iter();
        let lines = lines.filter(|arrival| arrival.is_first && arrival.lost_bytes == 0);
        lines.map(|arrival| arrival.body.clone()).collect()
    }

    /// How many records came again.
    pub(crate) fn duplicates(&self) -> usize {
        self.count - self.uids.len()
    }

    fn take(&mut self, record: &[u8]) -> Result<()> {
        let text: Text = serde_json::from_slice(record)
            .with_context(|| format!("no record: {}", String::from_utf8_lossy(record)))?;
        let Text { body, base64, stream, uid, lost_bytes, id, name } = text;
        let body = match base64 {
            Some(text) => data_encoding::BASE64.decode(text.as_bytes())?,
            None => body.into_bytes(),
        };
        let container = name.unwrap_or(id);
        let is_first = self.uids.insert(uid.clone());
        *self.distinct.entry(container.clone()).or_default() += usize::from(is_first);
        let arrival = Arrival { at: self.count, body, lost_bytes, uid, is_first };
        self.count += 1;
        self.streams.entry((container, stream)).or_default().push(arrival);
        Ok(())
    }
}

/// Reads a file of records as it grows.
#[derive(Debug)]
pub(crate) struct Growing {
    path: PathBuf,
    file: Option<File>,
    rest: Vec<u8>,
}

impl Growing {
    /// Of a file that may not be there yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, rest: Vec::new() }
    }

    /// Takes what is there. A line that is in the making is taken next time.
    pub(crate) fn take_into(&mut self, arrivals: &mut Arrivals) -> Result<()> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.read_to_end(&mut self.rest)?;
        let whole = memchr::memrchr(b'\n', &self.rest).map_or(0, |newline| newline + 1);
        let lines = self.rest[..whole].split(|&byte| byte == b'\n');
        lines.filter(|line| !line.is_empty()).try_for_each(|line| arrivals.take(line))?;
        self.rest.drain(..whole);
        Ok(())
    }
}

/// Records taken at once of a topic that may grow as fast as it is read.
const MOST_AT_ONCE: usize = 1000;

/// Reads a topic of one partition as it grows.
pub(crate) struct Following {
    consumer: BaseConsumer,
}

impl Following {
    /// Of a topic that may not be there yet, from its beginning.
    pub(crate) fn new(broker: &Broker, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.address())
            .set("group.id", "writetap-e2e")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("topic.metadata.refresh.interval.ms", "500")
            .set("allow.auto.create.topics", "true")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
        consumer.assign(&assignment)?;
        Ok(Self { consumer })
    }

    /// Takes what the topic has, up to its end or a number of records; a broker that is away has nothing.
    pub(crate) fn take_into(&mut self, arrivals: &mut Arrivals) -> Result<()> {
        for _ in 0..MOST_AT_ONCE {
            let Some(message) = self.consumer.poll(Duration::from_millis(100)) else { break };
            match message {
                Ok(message) => {
                    arrivals.take(message.payload().context("a record without value")?)?;
                }
                Err(KafkaError::PartitionEOF(_)) => break,
                Err(KafkaError::MessageConsumption(code)) => {
                    let away = [
                        RDKafkaErrorCode::BrokerTransportFailure,
                        RDKafkaErrorCode::AllBrokersDown,
                        RDKafkaErrorCode::OperationTimedOut,
                        RDKafkaErrorCode::UnknownTopicOrPartition,
                        RDKafkaErrorCode::UnknownPartition,
                        RDKafkaErrorCode::UnknownTopic,
                        RDKafkaErrorCode::LeaderNotAvailable,
                        RDKafkaErrorCode::NotLeaderForPartition,
                    ];
                    ensure!(away.contains(&code), "the topic cannot be read: {code}");
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
