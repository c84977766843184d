//! What a Kafka sink is told, and that as options of librdkafka.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;

use super::{DeadLetterSettings, Template};

/// Which replicas must have a record before it counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// None: the record counts as delivered once it is sent.
    None,
    /// The partition's leader.
    Leader,
    /// All replicas that are in sync.
    #[default]
    All,
}

/// How batches are compressed on the wire and in the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not: cheapest for the node.
    #[default]
    None,
    /// gzip
    Gzip,
    /// snappy
    Snappy,
    /// lz4
    Lz4,
    /// zstd
    Zstd,
}

/// How a user shows who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// The password as it is; only over TLS.
    Plain,
    /// SCRAM-SHA-256
    ScramSha256,
    /// SCRAM-SHA-512
    ScramSha512,
}

/// A user of the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the user shows who they are.
    pub mechanism: SaslMechanism,
    /// The user's name.
    pub username: String,
    /// The user's password. Never shown.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, username, password: _ } = self;
        f.debug_struct("Sasl")
            .field("mechanism", mechanism)
            .field("username", username)
            .finish_non_exhaustive()
    }
}

/// Encryption. Files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The agent's certificate, where brokers ask for one. Needs `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key. Needs `certificate_file`.
    pub key_file: Option<PathBuf>,
    /// Takes any certificate of any broker: anybody on the way can read and change records. Default: no.
    pub insecure_skip_verify: bool,
}

/// What a Kafka sink is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Addresses `host:port` to find the cluster by. Required: at least one.
    pub brokers: Vec<String>,
    /// The topic of a record. Default: `logs`.
    pub topic: Template,
    /// The key of a record. Records of one key go to one partition, in order. None: spread over all partitions, in no
    /// order between them. Default: `{{ id }}`.
    pub key: Option<Template>,
    /// Which replicas must have a record. Default: all in sync.
    pub acks: Acks,
    /// Whether the cluster drops what a retry sends twice. Needs `acks: all`. Costs CPU: librdkafka spins while a partition
    /// has more to send and waits for an answer (`rd_kafka_toppar_producer_serve`, seen in 2.12.1: twice the CPU).
    /// Without it, order is kept over retries by sending one request at a time to a broker, and records sent twice have
    /// the same `log.record.uid`. Default: no.
    pub idempotence: bool,
    /// How batches are compressed. Default: not.
    pub compression: Compression,
    /// How long a record waits for others to share its batch. Default: 5 ms. 0 to 900 s.
    pub linger: Duration,
    /// Size in bytes of a batch that is sent without waiting longer. Default: 1 MiB. 1 to 2147483647.
    pub batch_bytes: usize,
    /// Records of such a batch. Default: 10 000. 1 to 1 000 000.
    pub batch_records: usize,
    /// Size in bytes of the largest record, and of the largest batch before compression; larger records are dropped and
    /// counted. Not above what topics take (`max.message.bytes`), or whole batches are refused. Default: 1 MiB.
    /// 1000 to 1 000 000 000.
    pub max_record_bytes: usize,
    /// Memory for records that are encoded and not yet acknowledged, in bytes. Default: 32 MiB. 1 MiB to 2 TiB.
    pub buffer_bytes: usize,
    /// Encryption. Default: none.
    pub tls: Option<Tls>,
    /// User and password. Default: none.
    pub sasl: Option<Sasl>,
    /// Headers that every record carries. Default: none.
    pub headers: BTreeMap<String, String>,
    /// Where records go that the cluster refuses for good. Default: nowhere, they are dropped and counted.
    pub dead_letters: Option<DeadLetterSettings>,
    /// Any other option of librdkafka by its name; these win over all fields above. Default: none.
    pub options: BTreeMap<String, String>,
}

impl Settings {
    /// The defaults, with brokers and topic.
    pub fn new(brokers: Vec<String>, topic: Template) -> Self {
        Self {
            brokers,
            topic,
            key: Some(Template::container_id()),
            acks: Acks::All,
            idempotence: false,
            compression: Compression::None,
            linger: Duration::from_millis(5),
            batch_bytes: 1 << 20,
            batch_records: 10_000,
            max_record_bytes: 1 << 20,
            buffer_bytes: 32 << 20,
            tls: None,
            sasl: None,
            headers: BTreeMap::new(),
            dead_letters: None,
            options: BTreeMap::new(),
        }
    }

    /// The options of librdkafka that say the same.
    pub(super) fn client_config(&self) -> ClientConfig {
        /// Bytes that librdkafka keeps for a record beside its text, about. It bounds text alone.
        const RECORD_OVERHEAD_BYTES: usize = 256;
        let mut config = ClientConfig::new();
        config
            .set("client.id", "writetap")
            .set("bootstrap.servers", self.brokers.join(","))
            .set(
                "acks",
                match self.acks {
                    Acks::None => "0",
                    Acks::Leader => "1",
                    Acks::All => "all",
                },
            )
            .set("enable.idempotence", self.idempotence.to_string())
            .set(
                "compression.type",
                match self.compression {
                    Compression::None => "none",
                    Compression::Gzip => "gzip",
                    Compression::Snappy => "snappy",
                    Compression::Lz4 => "lz4",
                    Compression::Zstd => "zstd",
                },
            )
            .set("linger.ms", format!("{:.3}", self.linger.as_secs_f64() * 1000.0))
            .set("batch.size", self.batch_bytes.to_string())
            .set("batch.num.messages", self.batch_records.to_string())
            .set("message.max.bytes", self.max_record_bytes.to_string())
            .set("queue.buffering.max.kbytes", (self.buffer_bytes / 1024).to_string())
            .set(
                "queue.buffering.max.messages",
                (self.buffer_bytes / RECORD_OVERHEAD_BYTES).to_string(),
            )
            // The one that the Java client uses: a key goes to the same partition from either.
            .set("partitioner", "murmur2_random")
            // A record is held until the cluster has it, however long that takes.
            .set("message.timeout.ms", "0")
            .set(
                "security.protocol",
                match (&self.tls, &self.sasl) {
                    (None, None) => "plaintext",
                    (Some(_), None) => "ssl",
                    (None, Some(_)) => "sasl_plaintext",
                    (Some(_), Some(_)) => "sasl_ssl",
                },
            );
        if !self.idempotence {
            config.set("max.in.flight", "1");
        }
        self.set_tls(&mut config);
        self.set_sasl(&mut config);
        config.extend(self.options.clone());
        config
    }

    fn set_tls(&self, config: &mut ClientConfig) {
        let Some(Tls { ca_file, certificate_file, key_file, insecure_skip_verify }) = &self.tls
        else {
            return;
        };
        for (option, file) in [
            ("ssl.ca.location", ca_file),
            ("ssl.certificate.location", certificate_file),
            ("ssl.key.location", key_file),
        ] {
            if let Some(file) = file {
                config.set(option, file.to_string_lossy());
            }
        }
        if *insecure_skip_verify {
            config.set("enable.ssl.certificate.verification", "false");
        }
    }

    fn set_sasl(&self, config: &mut ClientConfig) {
        if let Some(Sasl { mechanism, username, password }) = &self.sasl {
            let mechanism = match mechanism {
                SaslMechanism::Plain => "PLAIN",
                SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            config
                .set("sasl.mechanisms", mechanism)
                .set("sasl.username", username)
                .set("sasl.password", password);
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the values of `options`, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, topic, key, tls, sasl, options, .. } = self;
        f.debug_struct("Settings")
            .field("brokers", brokers)
            .field("topic", topic)
            .field("key", key)
            .field("tls", tls)
            .field("sasl", sasl)
            .field("options", &options.keys())
            .finish_non_exhaustive()
    }
}
