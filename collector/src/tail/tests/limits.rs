//! What is bounded, and what is lost by it to the byte.

use super::*;

/// Docker's rotation with `max-file` of 1.
fn unlink(scene: &Scene, rotations: u64) {
    fs::remove_file(scene.path()).unwrap();
    File::create(scene.path()).unwrap();
    scene.await_rotations(rotations);
}

#[test]
fn unlinked_files_past_the_limit_are_lost_to_the_byte() {
    for limit in [0, 1, 3] {
        let mut scene =
            Scene::with(Format::JsonFile, |settings| settings.max_deleted_files = limit);
        let mut log = scene.open();
        scene.write(2);
        let length = record(Format::JsonFile, 0).len() as u64;
        log.read(1, &mut |entry| assert_eq!(number(entry.bytes), 0)).unwrap();
        for rotation in 1..=5 {
            unlink(&scene, rotation);
            scene.write(2);
        }
        assert_eq!(scene.metric("tail_open_files"), limit as u64 + 1 + u64::from(limit < 5));
        let given_up = 5 - limit as u64;
        // The loss of the file that was read comes first, then that of the others.
        let nothing = log.read(usize::MAX, &mut |_| unreachable!()).unwrap();
        assert_eq!(nothing, Read { bytes: 0, at_end: false });
        let lost = Lost { bytes: (2 * given_up - 1) * length, files: given_up };
        assert_eq!(log.take_lost(), lost, "{limit}");
        assert_eq!(read(&mut log), numbers(2 * given_up..12), "{limit}");
        assert_eq!(log.take_lost(), Lost::NONE);
        assert_eq!(scene.metric("tail_lost_files_total"), given_up);
        assert_eq!(scene.metric("tail_lost_bytes_total{reason=\"abandoned\"}"), lost.bytes);
    }
}

#[test]
fn files_past_the_limit_that_are_still_there_are_found_again() {
    let limit = |settings: &mut Settings| settings.max_deleted_files = 1;
    let mut scene = Scene::with(Format::JsonFile, limit);
    let mut log = scene.open();
    scene.write(1);
    for rotation in 1..=5 {
        rename(&scene);
        scene.await_rotations(rotation);
        scene.write(1);
    }
    assert_eq!(scene.metric("tail_open_files"), 2);
    // One is packed meanwhile, another one deleted.
    pack(&scene.older("4"));
    fs::remove_file(scene.older("3")).unwrap();
    let mut found = Vec::new();
    let before = log.read(usize::MAX, &mut |entry| found.push(number(entry.bytes))).unwrap();
    assert_eq!((before.at_end, found), (false, vec![0, 1]));
    let length = record(Format::JsonFile, 0).len() as u64;
    assert_eq!(log.take_lost(), Lost { bytes: length, files: 1 });
    assert_eq!(read(&mut log), [3, 4, 5]);
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn an_unlinked_file_past_the_limit_is_read_from_its_packed_copy() {
    let mut scene = Scene::with(Format::Cri, |settings| settings.max_deleted_files = 0);
    let mut log = scene.open();
    scene.write(2);
    // Docker packs after the new file is there; here the watcher is the later one.
    fs::rename(scene.path(), scene.older("1")).unwrap();
    pack(&scene.older("1"));
    scene.write(1);
    scene.await_rotations(1);
    assert_eq!(read(&mut log), [0, 1, 2]);
    assert_eq!(log.take_lost(), Lost::NONE);
}

#[test]
fn the_log_that_holds_the_most_gives_way() {
    let mut scene = Scene::with(Format::JsonFile, |settings| settings.max_open_files = 2);
    let mut log = scene.open();
    let quiet = Scene::path(&scene).with_file_name("quiet.log");
    fs::write(&quiet, record(Format::JsonFile, 7)).unwrap();
    let file = LogFile { path: quiet.clone(), format: Format::JsonFile };
    let mut quiet_log = Log::open(&scene.watcher, file).unwrap();
    fs::remove_file(&quiet).unwrap();
    fs::write(&quiet, record(Format::JsonFile, 8)).unwrap();
    scene.await_rotations(1);
    for rotation in 2..=4 {
        scene.write(1);
        unlink(&scene, rotation);
    }
    scene.write(1);
    // Two newest files, and an older one of either.
    scene.await_metric("tail_open_files", 4);
    let length = record(Format::JsonFile, 0).len() as u64;
    assert_eq!(read(&mut quiet_log), [7, 8]);
    assert_eq!(read(&mut log), [2, 3]);
    assert_eq!(log.take_lost(), Lost { bytes: 2 * length, files: 2 });
}

#[test]
fn a_file_that_came_and_went_unseen_is_counted() {
    const FILES: u64 = 200;
    let mut scene = Scene::with(Format::JsonFile, |settings| settings.max_deleted_files = 1000);
    let mut log = scene.open();
    for _ in 0..FILES {
        scene.write(1);
        fs::remove_file(scene.path()).unwrap();
    }
    scene.write(1);
    let (mut seen, mut lost) = (Vec::new(), Lost::NONE);
    let deadline = Instant::now() + Duration::from_secs(10);
    while scene.metric("tail_rotations_total") + lost.files < FILES {
        assert!(Instant::now() < deadline, "{} and {lost:?}", scene.metric("tail_rotations_total"));
        log.read(1, &mut |entry| seen.push(number(entry.bytes))).unwrap();
        lost.add(log.take_lost());
    }
    seen.extend(read(&mut log));
    assert!(seen.is_sorted());
    assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&FILES)));
    assert_eq!(seen.len() as u64 + lost.files, FILES + 1);
    assert_eq!(scene.metric("tail_lost_files_total"), lost.files);
}

#[test]
fn a_record_that_is_too_long_is_skipped_whatever_the_block() {
    let length = record(Format::Plain, 0).len();
    for (max_entry_bytes, block_bytes) in
        [(length, 1), (length, 4096), (5000, 4096), (9000, 1 << 20)]
    {
        let mut scene = Scene::with(Format::Plain, |settings| {
            settings.max_entry_bytes = max_entry_bytes;
            settings.block_bytes = block_bytes;
        });
        scene.write(1);
        let giant = [vec![b'x'; 20_000], b"\n".to_vec()].concat();
        let fits = [vec![b'y'; max_entry_bytes - 1], b"\n".to_vec()].concat();
        let mut file = File::options().append(true).open(scene.path()).unwrap();
        for bytes in [&giant, &fits, &giant] {
            file.write_all(bytes).unwrap();
        }
        scene.write(1);
        let mut log = scene.open();
        let mut entries = Vec::new();
        let mut take =
            |entry: Entry<'_>| entries.push((entry.bytes.to_vec(), entry.lost_before_bytes));
        while !log.read(1000, &mut take).unwrap().at_end {}
        let expected = [
            (record(Format::Plain, 0), 0),
            (fits, giant.len() as u64),
            (record(Format::Plain, 1), giant.len() as u64),
        ];
        assert_eq!(entries, expected);
        assert_eq!(scene.metric("tail_invalid_entries_total{reason=\"too_long\"}"), 2);
        assert_eq!(
            scene.metric("tail_lost_bytes_total{reason=\"invalid\"}"),
            2 * giant.len() as u64
        );
    }
}

#[test]
fn no_entry_fits_a_limit_of_nothing() {
    let mut scene = Scene::with(Format::Cri, |settings| {
        (settings.max_entry_bytes, settings.block_bytes) = (0, 0);
    });
    scene.write(3);
    let mut log = scene.open();
    assert_eq!(read(&mut log), NONE);
    assert_eq!(scene.metric("tail_invalid_entries_total{reason=\"too_long\"}"), 3);
}

#[test]
fn a_read_is_as_long_as_it_may_be() {
    let mut scene = Scene::new(Format::Cri);
    scene.write(5);
    let mut log = scene.open();
    let length = record(Format::Cri, 0).len();
    let mut count = |limit: usize| {
        let mut entries = 0;
        let read = log.read(limit, &mut |_| entries += 1).unwrap();
        assert_eq!(read.bytes, entries * length as u64);
        (entries, read.at_end)
    };
    assert_eq!(count(0), (0, false));
    assert_eq!(count(1), (1, false));
    assert_eq!(count(length), (1, false));
    assert_eq!(count(length + 1), (2, false));
    assert_eq!(count(usize::MAX), (1, true));
    assert_eq!(count(0), (0, false));
    assert_eq!(count(1), (0, true));
}

#[test]
fn what_is_no_record_is_skipped_to_the_next_newline() {
    let mut scene = Scene::new(Format::JsonFile);
    scene.write(1);
    let mut file = File::options().append(true).open(scene.path()).unwrap();
    file.write_all(b"{\"log\":\"half\n\x00\x00{}\n").unwrap();
    scene.write(1);
    file.write_all(b"{\"log\":\"half a record").unwrap();
    let mut log = scene.open();
    rename(&scene);
    scene.await_rotations(1);
    scene.write(1);
    let mut entries = Vec::new();
    let mut take = |entry: Entry<'_>| entries.push((number(entry.bytes), entry.lost_before_bytes));
    while !log.read(usize::MAX, &mut take).unwrap().at_end {}
    assert_eq!(entries, [(0, 0), (1, 16), (2, 21)]);
    assert_eq!(scene.metric("tail_invalid_entries_total{reason=\"syntax\"}"), 1);
    assert_eq!(scene.metric("tail_invalid_entries_total{reason=\"time\"}"), 1);
    assert_eq!(scene.metric("tail_invalid_entries_total{reason=\"cut\"}"), 1);
    assert_eq!(scene.metric("tail_skipped_nul_bytes_total"), 2);
}

#[test]
fn what_is_no_regular_file_is_no_log() {
    let scene = Scene::new(Format::Plain);
    let fifo = scene.path().with_file_name("fifo");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let link = scene.path().with_file_name("link");
    std::os::unix::fs::symlink(scene.path(), &link).unwrap();
    for path in [
        fifo,
        link,
        scene.path().with_file_name("missing"),
        "/missing/directory".into(),
        "/".into(),
    ] {
        let file = LogFile { path: path.clone(), format: Format::Plain };
        assert!(matches!(Log::open(&scene.watcher, file), Err(Error::Open { .. })), "{path:?}");
    }
    assert_eq!(scene.metric("tail_open_files"), 0);
}
