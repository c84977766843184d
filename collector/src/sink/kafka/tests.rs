//! The Kafka sink with librdkafka's mock cluster, which speaks the protocol on a loopback port.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{Acks, Error, Kafka, Settings};
use crate::sink::samples::Deliveries;
use crate::sink::{Metrics, Sink as _};

pub(super) const TOPIC: &str = "logs-web";

pub(super) struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    pub(super) fn start() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        Self(cluster)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::new(vec![self.0.bootstrap_servers()], "logs-{{ name }}".parse().unwrap())
    }

    /// Answers the next request of this kind with an error.
    pub(super) fn refuse_next(&self, request: RDKafkaApiKey, code: Code) {
        self.0.request_errors(request, &[code]);
    }

    fn open(&self) -> (Kafka, Registry) {
        open(&self.settings())
    }

    /// The next `count` messages of the topic, from its beginning.
    fn messages(&self, count: usize) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let next = |_| consumer.poll(Duration::from_secs(30)).unwrap().unwrap().detach();
        (0..count).map(next).collect()
    }

    pub(super) fn bodies(&self, count: usize) -> Vec<String> {
        self.messages(count).iter().map(body).collect()
    }
}

fn body(message: &OwnedMessage) -> String {
    let object: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
    object["body"].as_str().unwrap().to_owned()
}

pub(super) fn open(settings: &Settings) -> (Kafka, Registry) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry).sink("kafka");
    (Kafka::open(settings, metrics).unwrap(), registry)
}

pub(super) fn counts(registry: &Registry, line: &str) -> bool {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text.lines().any(|found| found == line)
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[test]
fn delivers_in_order_and_acknowledges() {
    let cluster = Cluster::start();
    let headers = BTreeMap::from([("node".to_owned(), "n1".to_owned())]);
    let (mut kafka, registry) = open(&Settings { headers, ..cluster.settings() });
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", "two"])).unwrap();
    kafka.deliver(deliveries.next(&["three"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0, 1]);
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 3"#));
    let messages = cluster.messages(3);
    let bodies: Vec<_> = messages.iter().map(body).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
    let first = &messages[0];
    assert_eq!(first.key(), Some(format!("{:064x}", 3).as_bytes()));
    assert_eq!(first.timestamp().to_millis(), Some(1_700_000_000_000));
    let header = first.headers().unwrap().get(0);
    assert_eq!((header.key, header.value), ("node", Some(&b"n1"[..])));
}

#[test]
fn a_refused_record_is_counted_and_its_batch_is_done() {
    let cluster = Cluster::start();
    let (mut kafka, registry) = cluster.open();
    let code = Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.refuse_next(RDKafkaApiKey::Produce, code);
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    let dropped = r#"sink_dropped_records_total{sink="kafka",reason="not_authorized"} 1"#;
    assert!(counts(&registry, dropped));
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 0"#));
}

#[test]
fn a_record_above_the_limit_is_dropped_and_its_neighbours_are_not() {
    let cluster = Cluster::start();
    let (mut kafka, registry) = open(&Settings { max_record_bytes: 2000, ..cluster.settings() });
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", &"x".repeat(2000), "three"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(2), ["one", "three"]);
    let dropped = r#"sink_dropped_records_total{sink="kafka",reason="too_large"} 1"#;
    assert!(counts(&registry, dropped));
}

#[test]
fn records_of_a_batch_that_is_too_large_are_sent_one_by_one() {
    let cluster = Cluster::start();
    let (mut kafka, registry) = cluster.open();
    let code = Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.refuse_next(RDKafkaApiKey::Produce, code);
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", "two"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(2), ["one", "two"]);
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 2"#));
}

#[test]
fn what_librdkafka_gives_up_is_sent_again() {
    let cluster = Cluster::start();
    let options = [("retries".to_owned(), "0".to_owned())].into();
    let (mut kafka, registry) = open(&Settings { options, ..cluster.settings() });
    let code = Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
    cluster.refuse_next(RDKafkaApiKey::Produce, code);
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", "two"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(2), ["one", "two"]);
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 2"#));
}

#[test]
fn a_producer_that_cannot_go_on_is_made_anew() {
    let cluster = Cluster::start();
    let (mut kafka, _) = open(&Settings { idempotence: true, ..cluster.settings() });
    let code = Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.refuse_next(RDKafkaApiKey::Produce, code);
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(1), ["one"]);
}

#[test]
fn without_a_broker_memory_is_bounded_and_the_end_says_what_is_left() {
    let cluster = Cluster::start();
    cluster.0.broker_down(1).unwrap();
    let buffer_bytes = 1 << 20;
    let (mut kafka, _) = open(&Settings { buffer_bytes, ..cluster.settings() });
    let mut deliveries = Deliveries::of("web");
    let body = "x".repeat(10_000);
    let bodies = vec![&*body; 200];
    let error = kafka.deliver(deliveries.next(&bodies)).unwrap_err();
    let crate::sink::Error::Kafka(Error::Full { records }) = error else {
        panic!("{error}");
    };
    assert!((80..105).contains(&records), "{records} of 10 kB in 1 MiB");
    let error = kafka.close(Instant::now()).unwrap_err();
    let undelivered = crate::sink::KafkaError::Undelivered { records: 200 };
    assert_eq!(error.to_string(), undelivered.to_string());
    drop(kafka);
    assert!(deliveries.acknowledged().is_empty());
}

#[test]
fn goes_on_when_the_broker_is_back() {
    let cluster = Cluster::start();
    cluster.0.broker_down(1).unwrap();
    let (mut kafka, registry) = open(&Settings { buffer_bytes: 1 << 20, ..cluster.settings() });
    let mut deliveries = Deliveries::of("web");
    let bodies: Vec<_> = (0..200).map(|number| format!("{number:010000}")).collect();
    let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
    assert!(kafka.deliver(deliveries.next(&bodies)).is_err());
    cluster.0.broker_up(1).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(200), bodies);
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 200"#));
}

#[test]
fn says_which_option_is_wrong() {
    let cluster = Cluster::start();
    let error = |settings: Settings| {
        let opened = Kafka::open(&settings, Metrics::default().sink("kafka"));
        opened.err().unwrap().to_string()
    };
    let option = |key: &str, value: &str| {
        let options = [(key.to_owned(), value.to_owned())].into();
        error(Settings { options, ..cluster.settings() })
    };
    let none = error(Settings { brokers: Vec::new(), ..cluster.settings() });
    assert!(none.contains("`brokers` is empty"), "{none}");
    let unknown = option("lingre.ms", "5");
    assert!(unknown.contains("option `lingre.ms`: No such configuration property"), "{unknown}");
    let invalid = option("sasl.password\0", "secret");
    assert!(!invalid.contains("secret"), "{invalid}");
    assert!(option("delivery.report.only.error", "true").contains("may not be set"));
    let acks = error(Settings { acks: Acks::Leader, idempotence: true, ..cluster.settings() });
    assert!(acks.contains("acks") && acks.contains("idempotence"), "{acks}");
    let topic = error(Settings { topic: "my logs".parse().unwrap(), ..cluster.settings() });
    assert!(topic.contains("`topic`"), "{topic}");
}
