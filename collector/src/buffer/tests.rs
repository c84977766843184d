//! The buffer with all its ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Buffer, Consumer, Metrics, Settings};
use crate::buffer::samples::{batch, batch_of, container};
use crate::record::Stream;

fn open(max_open_batches: usize) -> (Buffer, Consumer) {
    let settings = Settings { max_open_batches, ..Settings::default() };
    Buffer::new("sink", settings, &Metrics::default())
}

#[test]
fn the_sink_gets_every_batch_and_its_receipt() {
    let (buffer, consumer) = open(10);
    let progress = buffer.progress();
    buffer.push(&Arc::new(batch(0)));
    buffer.push(&Arc::new(batch_of(&[(1, Stream::Stdout, 4)])));
    assert_eq!(progress.unacknowledged(), (1, 1));
    assert_eq!(progress.positions().len(), 0);
    assert!(!progress.wait(Instant::now()));
    let delivery = consumer.pop(Duration::ZERO).unwrap();
    assert_eq!(delivery.batch.len(), 1);
    delivery.receipt.acknowledge();
    assert!(progress.wait(Instant::now() + Duration::from_mins(1)));
    assert_eq!(progress.positions(), [((container(1).id, Stream::Stdout), 4)].into());
    buffer.forget(&container(1).id);
    assert_eq!(progress.positions().len(), 0);
}

#[test]
fn too_many_open_batches_wait_for_acknowledgements() {
    const BATCHES: usize = 500;
    let (buffer, consumer) = open(1);
    let progress = buffer.progress();
    let pushing = std::thread::spawn(move || {
        for _ in 0..BATCHES {
            buffer.push(&Arc::new(batch(1)));
        }
    });
    for _ in 0..BATCHES {
        consumer.pop(Duration::from_mins(1)).unwrap().receipt.acknowledge();
    }
    pushing.join().unwrap();
    assert!(progress.wait(Instant::now() + Duration::from_mins(1)));
}

#[test]
fn closing_wakes_whoever_waits_for_acknowledgements() {
    let (buffer, consumer) = open(1);
    let buffer = Arc::new(buffer);
    buffer.push(&Arc::new(batch(1)));
    let pushing = {
        let buffer = Arc::clone(&buffer);
        std::thread::spawn(move || buffer.push(&Arc::new(batch(1))))
    };
    buffer.close();
    pushing.join().unwrap();
    assert!(consumer.pop(Duration::ZERO).is_ok());
    assert!(consumer.pop(Duration::ZERO).is_err());
    assert_eq!(buffer.progress().unacknowledged(), (1, 1));
}
