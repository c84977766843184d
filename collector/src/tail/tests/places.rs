//! Places, and what became of their files.

use super::*;
use crate::record::{Cut, FileIdentity, Fingerprint, Place};

/// Reads what follows `place` after the log was opened anew.
fn reopen(scene: &Scene, place: &Place) -> (Sought, Vec<u64>) {
    let mut log = scene.open();
    let sought = log.seek(place);
    (sought, read(&mut log))
}

#[test]
fn a_place_survives_rotations_and_growth() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    let empty = log.place();
    assert_eq!(empty.file.fingerprint.length_bytes, 0);
    scene.write(1);
    assert_eq!(read(&mut log), [0]);
    // Made while the file is shorter than a fingerprint.
    let short = log.place();
    assert!(short.file.fingerprint.length_bytes < 256);
    scene.write(9);
    assert_eq!(read(&mut log), numbers(1..10));
    let full = log.place();
    assert_eq!(full.file.fingerprint.length_bytes, 256);
    assert_eq!(log.end().unwrap(), full);
    scene.write(1);
    rename(&scene);
    scene.write(1);
    scene.await_rotations(1);
    drop(log);
    assert_eq!(reopen(&scene, &empty), (Sought::Found, numbers(0..12)));
    assert_eq!(reopen(&scene, &short), (Sought::Found, numbers(1..12)));
    assert_eq!(reopen(&scene, &full), (Sought::Found, numbers(10..12)));
}

#[test]
fn the_end_is_after_the_last_whole_record() {
    let mut scene = Scene::new(Format::Cri);
    scene.write(2);
    let log = scene.open();
    let whole = log.end().unwrap();
    assert_eq!(whole.offset_bytes, fs::metadata(scene.path()).unwrap().len());
    let mut file = File::options().append(true).open(scene.path()).unwrap();
    file.write_all(b"2023-11-14T22:13:20Z stdout F no newl").unwrap();
    assert_eq!(log.end().unwrap().offset_bytes, whole.offset_bytes);
    // While the new file is empty, the old one may still grow.
    rename(&scene);
    scene.await_rotations(1);
    let end = log.end().unwrap();
    assert_eq!((end.file.inode, end.offset_bytes), (whole.file.inode, whole.offset_bytes));
    let last = record(Format::Cri, 2);
    scene.write(1);
    assert_eq!(log.end().unwrap().offset_bytes, last.len() as u64);
    assert_eq!(log.beginning(), Place { file: end.file, offset_bytes: 0 });
}

#[test]
fn another_file_with_the_same_inode_is_another_file() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(3);
    let mut log = scene.open();
    assert_eq!(read(&mut log), [0, 1, 2]);
    let place = log.place();
    drop(log);
    // What reuse of an inode within the clock's resolution looks like.
    File::options().write(true).open(scene.path()).unwrap().set_len(0).unwrap();
    scene.write(4);
    assert_eq!(reopen(&scene, &place), (Sought::Lost, numbers(3..7)));
    let born_later = FileIdentity { birth_ns: Some(1), ..scene.open().beginning().file };
    let other = Place { file: born_later, offset_bytes: 10 };
    // It holds the same, so it is a copy.
    assert_eq!(reopen(&scene, &other).0, Sought::Found);
    let fingerprint = Fingerprint { length_bytes: 256, hash: 1 };
    let other = Place { file: FileIdentity { fingerprint, ..born_later }, offset_bytes: 10 };
    assert_eq!(reopen(&scene, &other), (Sought::Lost, numbers(3..7)));
}

#[test]
fn reading_begins_with_the_oldest_file_that_is_younger() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(1);
    rename(&scene);
    scene.write(1);
    let mut log = scene.open();
    assert_eq!(read(&mut log), [0, 1]);
    let place = log.place();
    drop(log);
    // The place's file is unlinked, an older one is still there.
    fs::remove_file(scene.path()).unwrap();
    scene.write(1);
    assert_eq!(reopen(&scene, &place), (Sought::Lost, vec![2]));
}

#[test]
fn a_packed_file_is_found_by_what_it_holds() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(5);
    let mut log = scene.open();
    let mut first = Vec::new();
    log.read(1, &mut |entry| first.push(number(entry.bytes))).unwrap();
    assert_eq!(first, [0]);
    let place = log.place();
    rename(&scene);
    pack(&scene.older("1"));
    scene.write(2);
    scene.await_rotations(1);
    // Held open, it is not read from the packed one.
    assert_eq!(read(&mut log), numbers(1..7));
    drop(log);
    assert_eq!(reopen(&scene, &place), (Sought::Found, numbers(1..7)));
    let mut log = scene.open();
    assert_eq!(read(&mut log), numbers(0..7));
    log.seek(&place);
    let in_packed = log.place();
    assert_eq!(reopen(&scene, &in_packed), (Sought::Found, numbers(1..7)));
}

#[test]
fn a_packed_file_that_is_cut_off_is_read_as_far_as_it_goes() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(20_000);
    rename(&scene);
    pack(&scene.older("1"));
    scene.write(1);
    let packed = File::options().write(true).open(scene.older("1.gz")).unwrap();
    packed.set_len(packed.metadata().unwrap().len() / 2).unwrap();
    let mut log = scene.open();
    let numbers = read(&mut log);
    assert!(numbers.len() > 1000 && numbers.len() < 20_000, "{}", numbers.len());
    assert_eq!(numbers.last(), Some(&20_000));
    assert_eq!(log.take_lost(), Lost { bytes: 0, files: 1 });
}

#[test]
fn released_files_are_closed() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    for round in 1..=2 {
        scene.write(2);
        rename(&scene);
        scene.await_rotations(round);
    }
    scene.write(2);
    assert_eq!(scene.metric("tail_open_files"), 3);
    let end = log.end().unwrap();
    log.release_before(&end);
    assert_eq!(scene.metric("tail_open_files"), 1);
    assert_eq!(log.place(), end);
    assert_eq!(read(&mut log), NONE);
    assert_eq!(log.beginning().file, end.file);
    assert_eq!(log.take_lost(), Lost::NONE);
    // They are not taken for new ones.
    rename(&scene);
    scene.write(1);
    scene.await_rotations(3);
    assert_eq!(read(&mut log), [6]);
    drop(log);
    assert_eq!(scene.metric("tail_open_files"), 0);
}

#[test]
fn the_last_entries_are_whole_and_in_order() {
    let mut scene = Scene::new(Format::Cri);
    scene.write(4);
    rename(&scene);
    scene.write(3);
    let length = record(Format::Cri, 0).len();
    let mut log = scene.open();
    let last = |log: &mut Log, bytes: usize| {
        let mut entries = Vec::new();
        let mut take = |entry: Entry<'_>| entries.push((number(entry.bytes), entry.end));
        log.last_entries(bytes, &mut take).unwrap();
        entries
    };
    let numbers =
        |entries: Vec<(u64, Cut)>| entries.into_iter().map(|entry| entry.0).collect::<Vec<_>>();
    assert_eq!(numbers(last(&mut log, 0)), NONE);
    assert_eq!(numbers(last(&mut log, length - 1)), NONE);
    assert_eq!(numbers(last(&mut log, length)), [6]);
    assert_eq!(numbers(last(&mut log, 2 * length + 1)), [5, 6]);
    assert_eq!(numbers(last(&mut log, 4 * length)), [3, 4, 5, 6]);
    assert_eq!(numbers(last(&mut log, usize::MAX)), [0, 1, 2, 3, 4, 5, 6]);
    let ends = last(&mut log, usize::MAX);
    assert_eq!(log.place_of(ends[6].1), Some(log.end().unwrap()));
    // Reading goes on where it was, and its positions are the same.
    let mut read_ends = Vec::new();
    log.read(usize::MAX, &mut |entry| read_ends.push((number(entry.bytes), entry.end))).unwrap();
    assert_eq!(read_ends, ends);
}
