//! Records that the mock cluster refuses.

use std::fs;
use std::path::{Path, PathBuf};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::types::RDKafkaApiKey;
use serde_json::Value;

use super::super::tests::{Cluster, TOPIC, counts, open, soon};
use super::super::{Error, Kafka, Settings};
use super::Settings as DeadLetterSettings;
use crate::sink::samples::Deliveries;
use crate::sink::{Metrics, Sink as _};

fn settings(cluster: &Cluster, path: &Path, max_bytes: u64) -> Settings {
    let dead_letters = Some(DeadLetterSettings { path: path.to_owned(), max_bytes });
    Settings { dead_letters, max_record_bytes: 2000, ..cluster.settings() }
}

/// Body, reason and topic of each line of a file.
fn letters(path: &Path) -> Vec<[String; 3]> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let letter = |line| {
        let object: Value = serde_json::from_str(line).unwrap();
        let field = |key: &str| object[key].as_str().unwrap().to_owned();
        assert_eq!(field("container.name"), "web");
        [field("body"), field("dead_letter.reason"), field("dead_letter.topic")]
    };
    text.lines().map(letter).collect()
}

/// A body that the producer takes for too large, told apart by its first letter.
fn large(letter: char) -> String {
    format!("{letter}{}", "x".repeat(2000))
}

fn dropped(reason: &str, count: usize) -> String {
    format!(r#"sink_dropped_records_total{{sink="kafka",reason="{reason}"}} {count}"#)
}

fn kept(reason: &str, count: usize) -> String {
    format!(r#"sink_dead_letters_total{{sink="kafka",reason="{reason}"}} {count}"#)
}

fn path_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("refused.log")
}

#[test]
fn a_record_that_is_too_large_is_kept_and_its_neighbours_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let path = path_in(&folder);
    let (mut kafka, registry) = open(&settings(&cluster, &path, 1 << 20));
    assert!(counts(&registry, &kept("too_large", 0)));
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", &large('a'), "three"])).unwrap();
    assert!(deliveries.acknowledged().is_empty(), "before the dead letter is written");
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(cluster.bodies(2), ["one", "three"]);
    assert_eq!(letters(&path), [[large('a'), "too_large".to_owned(), TOPIC.to_owned()]]);
    assert!(counts(&registry, &kept("too_large", 1)));
    assert!(counts(&registry, &dropped("too_large", 0)));
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 2"#));
}

#[test]
fn a_record_that_the_broker_refuses_is_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let path = path_in(&folder);
    fs::write(&path, "").unwrap();
    let (mut kafka, registry) = open(&settings(&cluster, &path, 1 << 20));
    let code = Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.refuse_next(RDKafkaApiKey::Produce, code);
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", "two"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    let letter = |body: &str| [body, "not_authorized", TOPIC].map(str::to_owned);
    assert_eq!(letters(&path), [letter("one"), letter("two")]);
    assert!(counts(&registry, &kept("not_authorized", 2)));
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 0"#));
}

#[test]
fn of_a_batch_that_is_too_large_only_the_record_that_is_too_large_alone_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let path = path_in(&folder);
    let (mut kafka, registry) = open(&settings(&cluster, &path, 1 << 20));
    // The batch, and the first of its records again.
    for _ in 0..2 {
        cluster.refuse_next(RDKafkaApiKey::Produce, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    }
    let mut deliveries = Deliveries::of("web");
    kafka.deliver(deliveries.next(&["one", "two"])).unwrap();
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    assert_eq!(letters(&path), [["one", "too_large", TOPIC].map(str::to_owned)]);
    assert_eq!(cluster.bodies(1), ["two"]);
    assert!(counts(&registry, &kept("too_large", 1)));
    assert!(counts(&registry, r#"sink_records_total{sink="kafka"} 1"#));
}

#[test]
fn the_file_and_the_one_before_it_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let path = path_in(&folder);
    // Half of it has room for two records.
    let max_bytes = 2 * 5500;
    let (mut kafka, registry) = open(&settings(&cluster, &path, max_bytes));
    let mut deliveries = Deliveries::of("web");
    for letter in 'a'..='e' {
        kafka.deliver(deliveries.next(&[&large(letter)])).unwrap();
    }
    kafka.close(soon()).unwrap();
    assert_eq!(deliveries.acknowledged(), [0, 1, 2, 3, 4]);
    let bodies = |path: &Path| letters(path).into_iter().map(|[body, ..]| body).collect::<Vec<_>>();
    assert_eq!(bodies(&path), [large('e')]);
    assert_eq!(bodies(&folder.path().join("refused.log.1")), [large('c'), large('d')]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    assert!(counts(&registry, &kept("too_large", 5)));
}

#[test]
fn what_does_not_fit_the_file_is_dropped_and_the_next_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    for (max_bytes, lost) in [(0, 2), (1, 2), (2 * 3500, 1)] {
        let path = path_in(&folder);
        let (mut kafka, registry) = open(&settings(&cluster, &path, max_bytes));
        let mut deliveries = Deliveries::of("web");
        let larger = "y".repeat(4000);
        kafka.deliver(deliveries.next(&[&larger, &large('a')])).unwrap();
        kafka.close(soon()).unwrap();
        assert_eq!(deliveries.acknowledged(), [0]);
        assert_eq!(letters(&path).len(), 2 - lost);
        assert!(counts(&registry, &dropped("dead_letter_failed", lost)));
        assert!(counts(&registry, &kept("too_large", 2 - lost)));
    }
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_and_one_that_cannot_be_is_a_drop() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let path = path_in(&folder);
    let (mut kafka, registry) = open(&settings(&cluster, &path, 1 << 20));
    let mut deliveries = Deliveries::of("web");
    let moved = folder.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    kafka.deliver(deliveries.next(&[&large('a')])).unwrap();
    kafka.tick().unwrap();
    assert_eq!(letters(&path).len(), 1);
    assert_eq!(letters(&moved).len(), 0);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    kafka.deliver(deliveries.next(&[&large('b')])).unwrap();
    kafka.tick().unwrap();
    assert_eq!(deliveries.acknowledged(), [0, 1]);
    assert!(counts(&registry, &dropped("dead_letter_failed", 1)));
    assert!(counts(&registry, &kept("too_large", 1)));
}

#[test]
fn a_file_that_cannot_be_had_is_said_at_the_start() {
    let cluster = Cluster::start();
    let settings = settings(&cluster, Path::new("/nowhere/refused.log"), 1 << 20);
    let error = Kafka::open(&settings, Metrics::default().sink("kafka")).err().unwrap();
    assert!(matches!(error, Error::DeadLetter(_)));
    let expected = "kafka sink: dead letters: failed to open `/nowhere/refused.log`";
    assert!(error.to_string().starts_with(expected), "{error}");
}
