//! A sink of type `kafka`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::secret::Secret;
use super::super::units::{Interval, Size};
use super::Buffer;

/// Topics of Apache Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Brokers to ask for the cluster first, each as `host:port`.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256)), example = ["127.0.0.1:9092"])]
    pub brokers: Vec<String>,
    /// The topic of a line. `{{ name }}` stands for the container's name, `{{ id }}` for its id, `{{ image }}` for its
    /// image, `{{ stream }}` for `stdout` or `stderr`, `{{ namespace }}`, `{{ pod }}` and `{{ container }}` for its place
    /// in Kubernetes, `{{ label.KEY }}` for its label `KEY`.
    #[schemars(length(min = 1, max = 1024), example = "logs-{{ name }}")]
    pub topic: String,
    /// The key of a record, with the same placeholders. Records of one key go to one partition, in order.
    /// Default: `{{ id }}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), example = "{{ id }}")]
    pub key: Option<String>,
    /// Who must hold a record before it counts as delivered.
    #[serde(default)]
    pub acks: Acks,
    /// Whether the brokers drop what a retry sends twice. Needs `acks: all`, and costs about twice the CPU: librdkafka polls
    /// without pause while it waits for an answer. Without it a record may arrive twice, with one `log.record.uid`; the
    /// order is kept either way.
    #[serde(default)]
    pub idempotence: bool,
    /// How batches are compressed.
    #[serde(default)]
    pub compression: Codec,
    /// How long a batch waits to fill up.
    #[serde(default = "Kafka::linger")]
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1m"))]
    pub linger: Interval,
    /// Bytes of the largest batch, before compression.
    #[serde(default = "Kafka::batch_bytes")]
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
    pub batch_bytes: Size,
    /// Records of the largest batch.
    #[serde(default = "Kafka::batch_records")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_records: u32,
    /// Bytes of the largest record; larger ones are dropped, and counted, or go to `dead_letter`. Not above what the topics
    /// take (`max.message.bytes`).
    #[serde(default = "Kafka::max_record_bytes")]
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "900MiB"))]
    pub max_record_bytes: Size,
    /// Encryption.
    #[serde(default)]
    pub tls: Tls,
    /// Logging in. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
    /// Headers of every record: name to text.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub headers: BTreeMap<String, String>,
    /// Options of librdkafka, passed on as they are: name to text. They win over all keys here, and are never shown.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 256))]
    pub options: BTreeMap<String, Secret>,
    /// Where records go that the brokers refuse for good: too large, or of a topic that is not there or not allowed.
    /// Default: nowhere, they are dropped, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// What waits before the sink.
    #[serde(default)]
    pub buffer: Buffer,
}

impl Kafka {
    const fn linger() -> Interval {
        Interval::millis(5)
    }

    const fn batch_bytes() -> Size {
        Size::mib(1)
    }

    const fn max_record_bytes() -> Size {
        Size::mib(1)
    }

    const fn batch_records() -> u32 {
        10_000
    }
}

/// Where records go that the brokers refuse for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// The file to append to, absolute: a record a line, with `dead_letter.reason` and `dead_letter.topic` added. Its folder
    /// must exist.
    #[schemars(length(min = 1, max = 4095), example = "/var/log/writetap/refused.log")]
    pub path: PathBuf,
    /// Bytes of that file and the one before it, `.1`: when half of them are in use, the file takes its place.
    #[serde(default = "DeadLetter::max_bytes")]
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1TiB"))]
    pub max_bytes: Size,
}

impl DeadLetter {
    const fn max_bytes() -> Size {
        Size::mib(64)
    }
}

/// Who must hold a record before it counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Acks {
    /// Every replica in sync.
    #[default]
    All,
    /// The partition's leader.
    Leader,
    /// Nobody: sent is delivered, and may be lost.
    None,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4: the least work.
    Lz4,
    /// Zstandard: the smallest result.
    Zstd,
}

/// Encryption of the connections to the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Whether to encrypt. The files below need it.
    pub enabled: bool,
    /// Certificates to trust, PEM. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4095), example = "/etc/writetap/ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// The agent's own certificate, PEM. With `key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4095), example = "/etc/writetap/client.pem")]
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, PEM. With `certificate_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4095), example = "/etc/writetap/client.key")]
    pub key_file: Option<PathBuf>,
    /// Whether a broker must prove its name. Only for tests is `false`.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { enabled: false, ca_file: None, certificate_file: None, key_file: None, verify: true }
    }
}

/// Logging in to the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How to prove who we are.
    pub mechanism: Mechanism,
    /// Who we are.
    #[schemars(length(min = 1, max = 1024), example = &"writetap")]
    pub username: String,
    /// The password; best from the environment. Never shown.
    #[schemars(length(min = 1, max = 4096), example = "${KAFKA_PASSWORD}")]
    pub password: Secret,
}

/// How to prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mechanism {
    /// The password as it is; only with TLS.
    #[serde(rename = "plain")]
    Plain,
    /// A challenge over SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// A challenge over SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}
