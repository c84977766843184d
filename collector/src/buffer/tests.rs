//! The buffer with all its ends.

use std::sync::Arc;
use std::time::Duration;

use super::{Buffer, Consumer, Metrics, Settings};
use crate::buffer::samples::batch;

fn open(max_open_batches: usize) -> (Buffer, Consumer) {
    let settings = Settings { max_open_batches, ..Settings::default() };
    Buffer::open("sink", &settings, &Metrics::default()).unwrap()
}

#[test]
fn the_sink_gets_every_batch_and_its_receipt() {
    let (buffer, mut consumer) = open(10);
    let progress = buffer.progress();
    for records in [0, 1, 2] {
        buffer.push(&Arc::new(batch(records)));
    }
    assert_eq!(progress.unacknowledged(), (2, 3));
    let [first, second] = [(); 2].map(|()| consumer.pop(Duration::ZERO).unwrap());
    assert_eq!([first.batch.len(), second.batch.len()], [1, 2]);
    second.receipt.acknowledge();
    assert_eq!((progress.handed(), progress.passed()), (2, 0));
    first.receipt.acknowledge();
    assert_eq!((progress.handed(), progress.passed()), (2, 2));
    assert_eq!(progress.unacknowledged(), (0, 0));
}

#[test]
fn too_many_open_batches_wait_for_acknowledgements() {
    const BATCHES: u64 = 500;
    let (buffer, mut consumer) = open(1);
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
    assert_eq!(progress.passed(), BATCHES);
    assert_eq!(progress.unacknowledged(), (0, 0));
}

#[test]
fn closing_wakes_whoever_waits_for_acknowledgements() {
    let (buffer, mut consumer) = open(1);
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
