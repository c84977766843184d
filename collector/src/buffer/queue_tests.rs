//! The queue at its limits, and between two threads.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::{Consumer, Producer, Settings, WhenFull, bounded};
use crate::buffer::Metrics;
use crate::buffer::samples::batch;
use crate::record::{BatchId, Delivery, Receipt};

const NEVER: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_mins(1);

struct Queue {
    producer: Producer,
    consumer: Consumer,
    registry: Registry,
    acknowledge: crossbeam_channel::Sender<BatchId>,
    acknowledged: Receiver<BatchId>,
}

impl Queue {
    fn new(max_batches: usize, when_full: WhenFull) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry).queue("main");
        let max_bytes = max_batches * batch(1).size_bytes();
        let (producer, consumer) =
            bounded(Settings { max_bytes, when_full, ..Settings::default() }, metrics);
        #[expect(clippy::disallowed_methods, reason = "a test makes a handful of deliveries")]
        let (acknowledge, acknowledged) = unbounded();
        Self { producer, consumer, registry, acknowledge, acknowledged }
    }

    fn delivery(&self, id: u64, records: usize) -> Delivery {
        let receipt = Receipt::new(id, self.acknowledge.clone());
        Delivery { batch: Arc::new(batch(records)), receipt }
    }

    fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().parse().unwrap())
    }
}

#[test]
fn gives_back_in_order_and_counts_what_it_holds() {
    let queue = Queue::new(10, WhenFull::Block);
    queue.producer.push(queue.delivery(0, 1));
    queue.producer.push(queue.delivery(1, 3));
    let bytes = batch(1).size_bytes() + batch(3).size_bytes();
    assert_eq!(queue.metric(r#"buffer_held_bytes{sink="main"}"#), Some(bytes as f64));
    assert_eq!(queue.metric(r#"buffer_held_records{sink="main"}"#), Some(4.0));
    assert_eq!(queue.consumer.pop(NEVER).unwrap().batch.len(), 1);
    assert_eq!(queue.consumer.pop(NEVER).unwrap().batch.len(), 3);
    assert_eq!(queue.consumer.pop(NEVER).unwrap_err(), RecvTimeoutError::Timeout);
    assert_eq!(queue.metric(r#"buffer_held_bytes{sink="main"}"#), Some(0.0));
    assert_eq!(queue.metric(r#"buffer_held_records{sink="main"}"#), Some(0.0));
}

#[test]
fn drops_the_newest_counts_it_and_acknowledges_it() {
    let queue = Queue::new(2, WhenFull::DropNewest);
    for id in 0..3 {
        queue.producer.push(queue.delivery(id, 1));
    }
    let dropped = r#"buffer_dropped_records_total{sink="main",reason="queue_full"}"#;
    assert_eq!(queue.metric(dropped), Some(1.0));
    let acknowledged: Vec<_> = queue.acknowledged.try_iter().collect();
    assert_eq!(acknowledged, [2]);
    assert!(queue.consumer.pop(NEVER).is_ok());
    queue.producer.push(queue.delivery(3, 1));
    assert_eq!(queue.metric(dropped), Some(1.0));
}

#[test]
fn a_batch_larger_than_the_queue_passes_when_it_is_empty() {
    for limit in [0, 1] {
        let queue = Queue::new(limit, WhenFull::DropNewest);
        queue.producer.push(queue.delivery(0, 5));
        queue.producer.push(queue.delivery(1, 1));
        assert_eq!(queue.consumer.pop(NEVER).unwrap().batch.len(), 5);
        assert_eq!(queue.consumer.pop(NEVER).unwrap_err(), RecvTimeoutError::Timeout);
    }
}

#[test]
fn waits_for_room_and_loses_nothing() {
    const BATCHES: u64 = 1000;
    let queue = Queue::new(1, WhenFull::Block);
    let deliveries: Vec<_> = (0..BATCHES).map(|id| queue.delivery(id, 1)).collect();
    let Queue { producer, consumer, acknowledged, .. } = queue;
    let pushing = std::thread::spawn(move || {
        for delivery in deliveries {
            producer.push(delivery);
        }
        producer.close();
    });
    while let Ok(delivery) = consumer.pop(LONG) {
        delivery.receipt.acknowledge();
    }
    pushing.join().unwrap();
    let acknowledged = acknowledged.try_iter();
    assert!(acknowledged.eq(0..BATCHES));
}

#[test]
fn what_is_in_comes_out_after_the_end() {
    let queue = Queue::new(2, WhenFull::Block);
    queue.producer.push(queue.delivery(0, 1));
    queue.producer.close();
    queue.producer.push(queue.delivery(1, 1));
    assert!(queue.consumer.pop(LONG).is_ok());
    assert_eq!(queue.consumer.pop(LONG).unwrap_err(), RecvTimeoutError::Disconnected);
    let dropped = r#"buffer_dropped_records_total{sink="main",reason="closed"}"#;
    assert_eq!(queue.metric(dropped), Some(1.0));
    assert_eq!(queue.acknowledged.try_iter().count(), 0);
}

#[test]
fn nobody_waits_for_a_sink_that_is_gone() {
    let queue = Queue::new(1, WhenFull::Block);
    queue.producer.push(queue.delivery(0, 1));
    let second = queue.delivery(1, 1);
    let Queue { producer, consumer, registry, .. } = queue;
    let pushing = std::thread::spawn(move || producer.push(second));
    drop(consumer);
    pushing.join().unwrap();
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(text.contains("buffer_dropped_records_total{sink=\"main\",reason=\"closed\"} 2\n"));
    assert!(text.contains("buffer_held_records{sink=\"main\"} 0\n"));
}
