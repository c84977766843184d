//! Each way a file is replaced.

use super::*;

#[test]
fn what_is_appended_is_read() {
    for format in [Format::JsonFile, Format::Cri, Format::Plain] {
        let mut scene = Scene::new(format);
        let mut log = scene.open();
        assert_eq!(read(&mut log), NONE);
        scene.write(3);
        assert_eq!(read(&mut log), [0, 1, 2]);
        scene.write(1);
        assert_eq!(read(&mut log), [3]);
        assert_eq!(log.take_lost(), Lost::NONE);
    }
}

#[test]
fn a_renamed_file_is_read_to_its_end_first() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    scene.write(2);
    assert_eq!(read(&mut log), [0, 1]);
    scene.write(2);
    rename(&scene);
    scene.write(2);
    scene.await_rotations(1);
    assert_eq!(read(&mut log), [2, 3, 4, 5]);
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn a_writer_that_is_between_two_files_is_followed() {
    let mut scene = Scene::new(Format::Cri);
    let mut log = scene.open();
    scene.write(1);
    let stamped = scene.older("20261123-101453");
    fs::rename(scene.path(), &stamped).unwrap();
    scene.write_to(&stamped, 1);
    assert_eq!(read(&mut log), [0, 1]);
    File::create(scene.path()).unwrap();
    scene.await_rotations(1);
    // The runtime has opened the new file and still writes to the old one.
    scene.write_to(&stamped, 1);
    assert_eq!(read(&mut log), [2]);
    scene.write_to(&stamped, 1);
    scene.write(1);
    assert_eq!(read(&mut log), [3, 4]);
}

#[test]
fn what_is_written_late_to_the_old_file_is_read() {
    let mut scene = Scene::with(Format::Cri, |settings| settings.linger = Duration::from_hours(1));
    let mut log = scene.open();
    let some = |log: &mut Log| {
        let mut numbers = Vec::new();
        log.read(usize::MAX, &mut |entry| numbers.push(number(entry.bytes))).unwrap();
        numbers
    };
    scene.write(1);
    rename(&scene);
    let stream_that_is_behind = scene.older("1");
    let next = scene.written + 1;
    scene.written = next;
    scene.write(1);
    scene.await_rotations(1);
    assert_eq!(some(&mut log), [0]);
    scene.written = next - 1;
    scene.write_to(&stream_that_is_behind, 1);
    assert_eq!(some(&mut log), [1]);
    assert_eq!(some(&mut log), NONE);
    // A third file: nobody writes to the first any more.
    rename(&scene);
    scene.await_rotations(2);
    assert_eq!(some(&mut log), [2]);
}

#[test]
fn an_unlinked_file_is_read_to_its_end() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    for round in 1..=3 {
        scene.write(2);
        fs::remove_file(scene.path()).unwrap();
        File::create(scene.path()).unwrap();
        scene.await_rotations(round);
    }
    scene.write(1);
    assert_eq!(read(&mut log), numbers(0..7));
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn what_was_rotated_before_is_there() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(2);
    rename(&scene);
    scene.write(2);
    rename(&scene);
    scene.write(1);
    let mut log = scene.open();
    assert_eq!(read(&mut log), numbers(0..5));
}

#[test]
fn two_rotations_at_once_hide_no_file() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    scene.write(1);
    rename(&scene);
    scene.write(1);
    rename(&scene);
    scene.write(1);
    rename(&scene);
    scene.write(1);
    scene.await_rotations(3);
    assert_eq!(read(&mut log), numbers(0..4));
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    scene.write(5);
    assert_eq!(read(&mut log), numbers(0..5));
    let before = log.cut();
    let file = File::options().write(true).open(scene.path()).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(read(&mut log), NONE);
    scene.write(2);
    assert_eq!(read(&mut log), [5, 6]);
    assert!(log.cut() > before);
    // Grown past the position again before it was looked at.
    file.set_len(0).unwrap();
    scene.write(9);
    assert_eq!(read(&mut log), numbers(7..16));
    assert_eq!(scene.metric("tail_truncations_total"), 2);
    assert_eq!(log.place_of(before), None);
}

#[test]
fn a_hole_at_the_beginning_is_skipped() {
    let mut scene = Scene::new(Format::Cri);
    scene.write(1);
    let mut log = scene.open();
    assert_eq!(read(&mut log), [0]);
    // The writer goes on at its old offset.
    let file = File::options().write(true).open(scene.path()).unwrap();
    file.set_len(0).unwrap();
    file.set_len(10 << 20).unwrap();
    scene.write(2);
    assert_eq!(read(&mut log), [1, 2]);
    assert_eq!(scene.metric("tail_skipped_nul_bytes_total"), 10 << 20);
}

#[test]
fn a_file_is_read_while_it_has_no_name_and_no_successor() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    scene.write(1);
    let mut writer = File::options().append(true).open(scene.path()).unwrap();
    fs::remove_file(scene.path()).unwrap();
    writer.write_all(&record(Format::JsonFile, 1)).unwrap();
    assert_eq!(read(&mut log), [0, 1]);
    writer.write_all(&record(Format::JsonFile, 2)).unwrap();
    scene.written = 3;
    scene.write(1);
    scene.await_rotations(1);
    assert_eq!(read(&mut log), [2, 3]);
    // The directory goes with the container, and the log is read all the same.
    scene.write(1);
    fs::remove_dir_all(scene.directory.path()).unwrap();
    assert_eq!(read(&mut log), [4]);
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn a_rename_that_is_undone_is_no_rotation() {
    let mut scene = Scene::new(Format::Cri);
    let mut log = scene.open();
    scene.write(1);
    // The kubelet does so when the runtime does not open the new file.
    let stamped = scene.older("20261123-101453");
    fs::rename(scene.path(), &stamped).unwrap();
    assert_eq!(read(&mut log), [0]);
    fs::rename(&stamped, scene.path()).unwrap();
    scene.write(1);
    fs::rename(scene.path(), &stamped).unwrap();
    scene.write(1);
    scene.await_rotations(1);
    assert_eq!(read(&mut log), [1, 2]);
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn a_file_that_is_renamed_over_the_log_follows_it() {
    let mut scene = Scene::new(Format::Cri);
    let mut log = scene.open();
    scene.write(1);
    // As conmon does, which rotates by itself.
    let new = scene.older("tmp");
    File::create(&new).unwrap();
    fs::rename(&new, scene.path()).unwrap();
    scene.write(1);
    scene.await_rotations(1);
    assert_eq!(read(&mut log), [0, 1]);
}
