//! The buffer with all its ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Buffer, Consumer, Error, MAX_SINKS, Metrics, Settings};
use crate::buffer::samples::{batch, batch_of, container};
use crate::record::Stream;

fn open(sinks: usize, max_open_batches: usize) -> (Buffer, Vec<Consumer>) {
    let sinks = (0..sinks).map(|sink| (sink.to_string(), super::QueueSettings::default()));
    let settings = Settings { sinks: sinks.collect(), max_open_batches };
    Buffer::new(&settings, &Metrics::default()).unwrap()
}

#[test]
fn every_sink_gets_every_batch_and_its_own_receipt() {
    let (buffer, consumers) = open(2, 10);
    let progress = buffer.progress();
    buffer.push(&Arc::new(batch(0)));
    buffer.push(&Arc::new(batch_of(&[(1, Stream::Stdout, 4)])));
    assert_eq!(progress.unacknowledged(), (1, 1));
    for (index, consumer) in consumers.iter().enumerate() {
        assert_eq!(progress.positions().len(), 0);
        assert!(!progress.wait(Instant::now()));
        let delivery = consumer.pop(Duration::ZERO).unwrap();
        assert_eq!(delivery.batch.len(), 1, "sink {index}");
        delivery.receipt.acknowledge();
    }
    assert!(progress.wait(Instant::now() + Duration::from_mins(1)));
    assert_eq!(progress.positions(), [((container(1).id, Stream::Stdout), 4)].into());
    progress.forget(&container(1).id);
    assert_eq!(progress.positions().len(), 0);
}

#[test]
fn too_many_open_batches_wait_for_acknowledgements() {
    const BATCHES: usize = 500;
    let (buffer, consumers) = open(1, 1);
    let progress = buffer.progress();
    let pushing = std::thread::spawn(move || {
        for _ in 0..BATCHES {
            buffer.push(&Arc::new(batch(1)));
        }
    });
    for _ in 0..BATCHES {
        consumers[0].pop(Duration::from_mins(1)).unwrap().receipt.acknowledge();
    }
    pushing.join().unwrap();
    assert!(progress.wait(Instant::now() + Duration::from_mins(1)));
}

#[test]
fn closing_wakes_whoever_waits_for_acknowledgements() {
    let (buffer, consumers) = open(1, 1);
    let buffer = Arc::new(buffer);
    buffer.push(&Arc::new(batch(1)));
    let pushing = {
        let buffer = Arc::clone(&buffer);
        std::thread::spawn(move || buffer.push(&Arc::new(batch(1))))
    };
    buffer.close();
    pushing.join().unwrap();
    assert!(consumers[0].pop(Duration::ZERO).is_ok());
    assert!(consumers[0].pop(Duration::ZERO).is_err());
    assert_eq!(buffer.progress().unacknowledged(), (1, 1));
}

#[test]
fn refuses_more_sinks_than_it_can_keep_account_of() {
    let sink = (String::new(), super::QueueSettings::default());
    let settings = Settings { sinks: vec![sink; MAX_SINKS + 1], max_open_batches: 1 };
    let error = Buffer::new(&settings, &Metrics::default()).unwrap_err();
    assert_eq!(error, Error::TooManySinks { sinks: 65 });
}
