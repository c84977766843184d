//! What an earlier run left, whole or damaged.

use std::fs;

use super::{Disk, FRAME_BYTES, LONG, PROLOGUE_BYTES, drain, push, settle, take};
use crate::buffer::disk::Error;

#[test]
fn what_was_not_acknowledged_comes_again_before_what_is_new() {
    let disk = Disk::new();
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..6);
    assert_eq!(take(&mut consumer, 2), [0, 1]);
    let unacknowledged = consumer.pop(LONG).unwrap();
    drop((producer, consumer, unacknowledged));

    let (producer, mut consumer) = disk.open();
    push(&producer, 6..8);
    assert_eq!((producer.handed(), take(&mut consumer, 3)), (2, vec![2, 3, 4]));
    assert_eq!(disk.metric("replayed_records"), Some(3));
    assert_eq!(drain((producer, consumer)), [5, 6, 7]);
    // Nothing is left but the cursor.
    assert_eq!(disk.segments().len(), 0);
    assert_eq!(disk.metric("disk_bytes"), Some(0));
    assert_eq!(disk.metric("torn_bytes"), None);
    assert_eq!(disk.metric("corrupt_bytes"), None);

    // Numbers go on where they were, and not at 0.
    let (producer, consumer) = disk.open();
    push(&producer, 8..9);
    settle(&producer);
    assert!(disk.segments()[0].ends_with("00000000000000000008.segment"));
    assert_eq!(drain((producer, consumer)), [8]);
}

#[test]
fn a_batch_acknowledged_out_of_order_comes_again_with_those_before_it() {
    let disk = Disk::new();
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..3);
    let [first, second] = [(); 2].map(|()| consumer.pop(LONG).unwrap());
    second.receipt.acknowledge();
    drop((producer, consumer, first));
    assert_eq!(drain(disk.open()), [0, 1, 2]);
}

#[test]
fn a_crash_at_any_byte_costs_what_was_not_written_whole() {
    let disk = Disk::new();
    let (producer, consumer) = disk.open();
    push(&producer, 0..3);
    settle(&producer);
    let [path] = &disk.segments()[..] else { panic!("one segment") };
    let (prologue, frame) = (PROLOGUE_BYTES, FRAME_BYTES);
    let size = fs::metadata(path).unwrap().len();
    assert_eq!(size, prologue + 3 * frame);
    // Every byte of the last two frames, and then ever fewer.
    let cuts = (size - 2 * frame..=size).chain([0, 1, prologue - 1, prologue, prologue + 1]);
    for cut in cuts {
        let image = disk.image();
        fs::File::options().write(true).open(&image.segments()[0]).unwrap().set_len(cut).unwrap();
        let (producer, consumer) = image.open();
        let whole = cut.saturating_sub(prologue) / frame;
        let left = image.segments().first().map_or(0, |path| path.metadata().unwrap().len());
        assert_eq!(left, if whole > 0 { prologue + whole * frame } else { 0 }, "cut at {cut}");
        push(&producer, 9..10);
        let expected: Vec<_> = (0..whole).chain([9]).collect();
        assert_eq!(drain((producer, consumer)), expected, "cut at {cut}");
        let torn = cut.saturating_sub(prologue) % frame;
        assert_eq!(image.metric("torn_bytes").unwrap_or(0), torn, "cut at {cut}");
    }
    drop((producer, consumer));
}

#[test]
fn damage_costs_what_is_damaged_and_is_counted() {
    let mut disk = Disk::new();
    let (prologue, frame) = (PROLOGUE_BYTES, FRAME_BYTES);
    let segment = prologue + 2 * frame;
    disk.storage.segment_bytes = segment;
    let (producer, consumer) = disk.open();
    push(&producer, 0..6);
    settle(&producer);
    let sizes = disk.segments().into_iter().map(|path| path.metadata().unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [segment; 3]);
    let damage = |at: &[(usize, u64)]| {
        let image = disk.image();
        for &(segment, at) in at {
            let path = &image.segments()[segment];
            let mut bytes = fs::read(path).unwrap();
            bytes[at as usize] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
        let left = drain(image.open());
        let metric = |name| image.metric(name).unwrap_or(0);
        (left, metric("corrupt_bytes"), metric("corrupt_frames"), metric("torn_bytes"))
    };
    let whole = vec![0, 1, 2, 3, 4, 5];
    assert_eq!(damage(&[]), (whole.clone(), 0, 0, 0));
    // One of the two prologues; a header; a body; the last one of a segment, and of all.
    assert_eq!(damage(&[(0, 9)]), (whole, 0, 0, 0));
    assert_eq!(damage(&[(0, prologue + 5)]), (vec![1, 2, 3, 4, 5], frame, 1, 0));
    assert_eq!(damage(&[(1, prologue + 150)]), (vec![0, 1, 3, 4, 5], frame, 1, 0));
    assert_eq!(damage(&[(1, prologue + frame + 150)]), (vec![0, 1, 2, 4, 5], frame, 1, 0));
    assert_eq!(damage(&[(2, prologue + frame + 150)]), (vec![0, 1, 2, 3, 4], 0, 0, frame));
    assert_eq!(damage(&[(0, 200), (2, 200)]), (vec![1, 2, 3, 5], 2 * frame, 2, 0));
    // Both prologues.
    assert_eq!(damage(&[(1, 9), (1, 41)]), (vec![0, 1, 4, 5], segment, 1, 0));
    assert_eq!(damage(&[(2, 9), (2, 41)]), (vec![0, 1, 2, 3], segment, 1, 0));
    drop((producer, consumer));
}

#[test]
fn a_damaged_cursor_delivers_all_again() {
    let disk = Disk::new();
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..3);
    settle(&producer);
    assert_eq!(take(&mut consumer, 2), [0, 1]);
    drop((producer, consumer));
    let cursor = disk.path().join("cursor");
    let whole = fs::read(&cursor).unwrap();
    for (slots, expected, errors) in
        [(0..0, vec![2], None), (0..32, vec![0, 1, 2], Some(1)), (0..9, vec![0, 1, 2], Some(1))]
    {
        let image = disk.image();
        let mut bytes = whole.clone();
        bytes[slots.clone()].fill(0xff);
        bytes.truncate(if slots.end == 9 { 9 } else { 32 });
        fs::write(image.path().join("cursor"), bytes).unwrap();
        assert_eq!(drain(image.open()), expected);
        assert_eq!(image.metric("disk_errors_total{sink=\"main\",operation=\"cursor\"}"), errors);
    }
}

#[test]
fn an_old_cursor_delivers_what_is_there() {
    let mut disk = Disk::new();
    disk.storage.segment_bytes = 1;
    let (producer, mut consumer) = disk.open();
    push(&producer, 0..4);
    assert_eq!(take(&mut consumer, 2), [0, 1]);
    settle(&producer);
    drop((producer, consumer));
    fs::remove_file(disk.path().join("cursor")).unwrap();
    assert_eq!(drain(disk.open()), [2, 3]);
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    let disk = Disk::new();
    drop(disk.open());
    let mut prologue = crate::buffer::disk::frame::prologue(1);
    for copy in prologue.chunks_mut(32) {
        copy[8] = 7;
        let check = xxhash_rust::xxh3::xxh3_64(&copy[..24]);
        copy[24..].copy_from_slice(&check.to_le_bytes());
    }
    let path = disk.path().join("00000000000000000000.segment");
    fs::write(&path, prologue).unwrap();
    let error = disk.try_open().unwrap_err();
    assert!(matches!(&error, Error::Version { segment, version: 7 } if *segment == path));
    assert_eq!(
        error.to_string(),
        format!(
            "buffer segment `{}` is of version 7, which this program does not know; \
             let the program that wrote it deliver it, or delete it",
            path.display()
        )
    );
    assert!(path.try_exists().unwrap());
}

#[test]
fn other_files_are_left_alone() {
    let disk = Disk::new();
    drop(disk.open());
    for name in ["0.segment", "+0000000000000000001.segment", "a.segment", "notes"] {
        fs::write(disk.path().join(name), "mine").unwrap();
    }
    assert_eq!(drain(disk.open()), [0; 0]);
    assert_eq!(disk.path().read_dir().unwrap().count(), 5);
}

#[test]
fn another_sink_gets_what_the_last_one_was_not_done_with() {
    for disk in [Disk::new(), Disk::with_memory_of_one()] {
        let (producer, mut consumer) = disk.open();
        push(&producer, 0..4);
        settle(&producer);
        assert_eq!(take(&mut consumer, 1), [0]);
        let left = [(); 2].map(|()| consumer.pop(LONG).unwrap());
        consumer.rewind();
        // Too late: they are on their way again.
        for delivery in left {
            delivery.receipt.acknowledge();
        }
        push(&producer, 4..6);
        assert_eq!(drain((producer, consumer)), [1, 2, 3, 4, 5]);
        assert_eq!(drain(disk.open()), [0; 0]);
        assert_eq!(disk.metric("corrupt_bytes"), None);
    }
}
