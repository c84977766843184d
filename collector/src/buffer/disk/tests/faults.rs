//! A disk that fails.

use super::{Disk, Operation, drain, push, settle, take};

/// Errors counted of an operation.
fn errors(disk: &Disk, operation: &str) -> u64 {
    let name = format!("disk_errors_total{{sink=\"main\",operation=\"{operation}\"}}");
    disk.metric(&name).unwrap_or(0)
}

/// Waits until an operation has failed, and its retries too.
fn wait_for_errors(disk: &Disk, operation: &str) {
    while errors(disk, operation) < 2 {
        std::thread::yield_now();
    }
}

#[test]
fn a_sink_that_keeps_up_does_not_notice() {
    for fault in [Operation::Open, Operation::Write, Operation::TornWrite, Operation::Sync] {
        let disk = Disk::with_memory_of_one();
        disk.files.set(&[fault]);
        let (producer, mut consumer) = disk.open();
        let pushing = std::thread::spawn(move || push(&producer, 0..20));
        assert_eq!(take(&mut consumer, 20), (0..20).collect::<Vec<_>>());
        pushing.join().unwrap();
        assert_eq!(disk.metric("dropped_records"), None);
    }
}

#[test]
fn what_could_not_be_written_is_when_it_can_be_again() {
    for (fault, operation) in [
        (Operation::Open, "create"),
        (Operation::Write, "create"),
        (Operation::TornWrite, "create"),
        (Operation::Sync, "create"),
    ] {
        let disk = Disk::new();
        disk.files.set(&[fault]);
        let (producer, consumer) = disk.open();
        push(&producer, 0..5);
        wait_for_errors(&disk, operation);
        assert_eq!((producer.passed(), producer.unacknowledged()), (0, (5, 5)));
        disk.files.set(&[]);
        settle(&producer);
        assert_eq!(producer.passed(), 5);
        drop((producer, consumer));
        assert_eq!(drain(disk.open()), [0, 1, 2, 3, 4]);
        assert_eq!(disk.metric("torn_bytes"), None);
        assert_eq!(disk.metric("corrupt_bytes"), None);
    }
}

#[test]
fn a_segment_goes_on_after_a_failure() {
    for (fault, operation) in
        [(Operation::Write, "write"), (Operation::TornWrite, "write"), (Operation::Sync, "sync")]
    {
        let disk = Disk::new();
        let (producer, consumer) = disk.open();
        push(&producer, 0..2);
        settle(&producer);
        disk.files.set(&[fault]);
        push(&producer, 2..4);
        wait_for_errors(&disk, operation);
        // What is durable stays so; a crash now costs what is not.
        assert_eq!(producer.passed(), 2);
        let image = disk.image();
        disk.files.set(&[]);
        settle(&producer);
        drop((producer, consumer));
        assert_eq!(drain(disk.open()), [0, 1, 2, 3]);
        assert_eq!(disk.metric("corrupt_bytes"), None);
        assert_eq!(drain(image.open())[..2], [0, 1]);
        assert_eq!(image.metric("corrupt_bytes"), None);
    }
}

#[test]
fn memory_keeps_what_is_written_and_not_durable() {
    let disk = Disk::with_memory_of_one();
    let (producer, consumer) = disk.open();
    push(&producer, 0..1);
    settle(&producer);
    disk.files.set(&[Operation::Sync]);
    let pushing = {
        let producer = producer.clone();
        std::thread::spawn(move || push(&producer, 1..4))
    };
    wait_for_errors(&disk, "sync");
    assert_eq!((producer.handed(), producer.passed()), (2, 1));
    disk.files.set(&[]);
    pushing.join().unwrap();
    assert_eq!(drain((producer, consumer)), [0, 1, 2, 3]);
    assert_eq!(disk.metric("corrupt_bytes"), None);
}

#[test]
fn a_disk_that_fails_to_the_end_costs_what_is_counted() {
    let disk = Disk::new();
    disk.files.set(&[Operation::Write]);
    let (producer, consumer) = disk.open();
    push(&producer, 0..3);
    wait_for_errors(&disk, "create");
    drop((producer, consumer));
    assert_eq!(disk.metric("dropped_records_total{sink=\"main\",reason=\"closed\"}"), Some(3));
    assert_eq!(disk.metric("held_records"), Some(0));
    disk.files.set(&[]);
    assert_eq!(drain(disk.open()), [0; 0]);
}

#[test]
fn reads_are_tried_again() {
    let disk = Disk::with_memory_of_one();
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..5);
    settle(&producer);
    disk.files.set(&[Operation::Read]);
    let reading = std::thread::spawn(move || (take(&mut consumer, 5), consumer));
    wait_for_errors(&disk, "read");
    disk.files.set(&[]);
    let (numbers, consumer) = reading.join().unwrap();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(disk.metric("corrupt_bytes"), None);
    drop((producer, consumer));
}

#[test]
fn a_segment_that_cannot_be_read_is_passed_over_and_counted() {
    let disk = Disk::with_memory_of_one();
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..3);
    settle(&producer);
    disk.files.set(&[Operation::Read]);
    // The last is in memory.
    assert_eq!(take(&mut consumer, 1), [2]);
    assert_eq!(errors(&disk, "read"), 5);
    assert_eq!(disk.metric("corrupt_bytes"), disk.metric("disk_bytes"));
    drop(producer);
}

#[test]
fn a_segment_that_cannot_be_deleted_is_at_the_next_start() {
    let disk = Disk::new();
    disk.files.set(&[Operation::Remove]);
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..3);
    settle(&producer);
    assert_eq!(take(&mut consumer, 3), [0, 1, 2]);
    drop((producer, consumer));
    assert_eq!((disk.segments().len(), errors(&disk, "remove")), (1, 1));
    disk.files.set(&[]);
    assert_eq!(drain(disk.open()), [0; 0]);
    assert_eq!(disk.segments().len(), 0);
}
