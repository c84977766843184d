//! Bounds, order, and who may use a directory.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::{Disk, FRAME_BYTES, LONG, PROLOGUE_BYTES, drain, push, settle, take};
use crate::buffer::WhenFull;
use crate::buffer::disk::{Error, State};
use crate::buffer::samples::batch_with;

#[test]
fn a_directory_has_one_buffer_at_a_time() {
    let disk = Disk::new();
    let ends = disk.open();
    let error = disk.try_open().unwrap_err();
    assert!(matches!(&error, Error::Locked { directory } if directory == disk.path()), "{error}");
    drop(ends);
    drop(disk.open());
}

#[test]
fn only_its_owner_may_read_it() {
    let disk = Disk::new();
    let (producer, consumer) = disk.open();
    push(&producer, 0..1);
    settle(&producer);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(disk.path()), 0o700);
    assert_eq!(mode(&disk.segments()[0]), 0o600);
    drop((producer, consumer));
    assert_eq!(mode(&disk.path().join("cursor")), 0o600);
}

#[test]
fn a_slow_sink_gets_everything_in_order_through_many_segments() {
    const BATCHES: u64 = 500;
    let mut disk = Disk::with_memory_of_one();
    disk.storage.segment_bytes = 2000;
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..BATCHES);
    settle(&producer);
    assert!(disk.segments().len() > 50);
    assert_eq!(take(&mut consumer, 100), (0..100).collect::<Vec<_>>());
    push(&producer, BATCHES..BATCHES + 5);
    assert_eq!(drain((producer, consumer)), (100..BATCHES + 5).collect::<Vec<_>>());
    assert_eq!(disk.segments().len(), 0);
    assert_eq!(disk.metric("held_bytes"), Some(0));
    assert_eq!(disk.metric("corrupt_bytes"), None);
}

#[test]
fn pushes_and_pops_at_once_lose_nothing() {
    const BATCHES: u64 = 2000;
    for memory_bytes in [0, 2000, 1 << 20] {
        let mut disk = Disk::new();
        disk.settings.max_bytes = memory_bytes;
        disk.storage.max_bytes = 10_000;
        disk.storage.sync_interval = std::time::Duration::from_millis(1);
        let (producer, mut consumer) = disk.open();
        let pushing = {
            let producer = producer.clone();
            std::thread::spawn(move || push(&producer, 0..BATCHES))
        };
        assert_eq!(take(&mut consumer, BATCHES as usize), (0..BATCHES).collect::<Vec<_>>());
        pushing.join().unwrap();
        assert_eq!(drain((producer, consumer)), [0; 0]);
        assert_eq!(disk.metric("corrupt_bytes"), None);
    }
}

/// How many batches go in before one would have to wait: those on the disk, and one in memory.
fn room(max_bytes: u64) -> u64 {
    let mut disk = Disk::with_memory_of_one();
    disk.storage.max_bytes = max_bytes;
    disk.settings.when_full = WhenFull::DropNewest;
    let (producer, _consumer) = disk.open();
    let dropped = "dropped_records_total{sink=\"main\",reason=\"queue_full\"}";
    for number in 0.. {
        push(&producer, [number]);
        if disk.metric(dropped).is_some() {
            assert!(
                disk.metric("disk_bytes").unwrap() <= max_bytes.max(PROLOGUE_BYTES + FRAME_BYTES)
            );
            return number;
        }
        let shared = Arc::clone(&producer.0);
        let will_be_written = |state: &mut State| {
            let is_written = state.written == state.handed();
            let fits = number == 0 || state.disk_bytes + FRAME_BYTES <= max_bytes;
            state.settled() < state.handed() && (is_written || fits)
        };
        let waited = shared.room.wait_timeout_while(shared.lock(), LONG, will_be_written).unwrap();
        assert!(!waited.1.timed_out());
    }
    unreachable!()
}

#[test]
fn takes_one_batch_whatever_the_limit_and_no_more_than_it_says() {
    assert_eq!(room(0), 2);
    assert_eq!(room(1), 2);
    // Four segments of two.
    assert_eq!(room(4 * (PROLOGUE_BYTES + 2 * FRAME_BYTES)), 9);
}

#[test]
fn a_full_disk_waits_for_the_sink() {
    let mut disk = Disk::with_memory_of_one();
    disk.storage.max_bytes = 2000;
    let (producer, mut consumer) = disk.open();
    let pushing = {
        let producer = producer.clone();
        std::thread::spawn(move || push(&producer, 0..50))
    };
    assert_eq!(take(&mut consumer, 50), (0..50).collect::<Vec<_>>());
    pushing.join().unwrap();
    assert_eq!(disk.metric("dropped_records"), None);
    drop(producer);
}

#[test]
fn the_sink_has_no_more_batches_open_than_allowed() {
    let mut disk = Disk::new();
    disk.settings.max_open_batches = 0;
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..2);
    let first = consumer.pop(LONG).unwrap();
    assert!(consumer.pop(std::time::Duration::ZERO).is_err());
    first.receipt.acknowledge();
    assert_eq!(take(&mut consumer, 1), [1]);
}

#[test]
fn closing_wakes_whoever_waits() {
    let mut disk = Disk::with_memory_of_one();
    disk.storage.max_bytes = 0;
    let (producer, consumer) = disk.open();
    push(&producer, 0..1);
    settle(&producer);
    let pushing = {
        let producer = producer.clone();
        std::thread::spawn(move || push(&producer, 1..4))
    };
    // One waits in memory, the next for room there.
    while producer.handed() < 2 {
        std::thread::yield_now();
    }
    drop(consumer);
    pushing.join().unwrap();
    let closed = "dropped_records_total{sink=\"main\",reason=\"closed\"}";
    assert_eq!(disk.metric(closed), Some(3));
    assert_eq!(drain(disk.open()), [0]);
}

#[test]
fn progress_is_of_this_run_alone() {
    let disk = Disk::new();
    let (producer, consumer) = disk.open();
    push(&producer, 0..3);
    settle(&producer);
    assert_eq!((producer.handed(), producer.passed(), producer.unacknowledged()), (3, 3, (0, 0)));
    drop((producer, consumer));
    let (producer, consumer) = disk.open();
    assert_eq!((producer.handed(), producer.passed()), (0, 0));
    producer.push(&Arc::new(batch_with(3, &super::BODY)));
    settle(&producer);
    assert_eq!((producer.handed(), producer.passed()), (1, 1));
    assert_eq!(drain((producer, consumer)), [0, 1, 2, 3]);
}
