//! The file sink in temporary directories.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Compression, Error, File, Settings};
use crate::sink::format::Format;
use crate::sink::samples::Deliveries;
use crate::sink::{Metrics, Sink as _};

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), format: Format::Raw, ..Settings::default() }
}

fn open(settings: &Settings) -> Result<File, Error> {
    File::open(settings, Metrics::default().sink("file"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The files beside `path`, by age.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file != path);
    files.sort();
    files
}

#[test]
fn appends_and_acknowledges() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut deliveries = Deliveries::of("web");
    let mut file = open(&settings(&path)).unwrap();
    file.deliver(deliveries.next(&["one", "two"])).unwrap();
    assert_eq!(text(&path), "one\ntwo\n");
    assert_eq!(deliveries.acknowledged(), [0]);
    file.close(Instant::now()).unwrap();
    drop(file);
    let mut file = open(&settings(&path)).unwrap();
    file.deliver(deliveries.next(&["three"])).unwrap();
    assert_eq!(text(&path), "one\ntwo\nthree\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7137, 0);
}

#[test]
fn a_torn_last_line_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    std::fs::write(&path, "one\ntw").unwrap();
    open(&settings(&path)).unwrap().deliver(Deliveries::of("web").next(&["three"])).unwrap();
    assert_eq!(text(&path), "one\ntw\nthree\n");
}

#[test]
fn rotates_by_size_and_keeps_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut deliveries = Deliveries::of("web");
    let settings = Settings { rotate_bytes: 10, keep_files: 2, ..settings(&path) };
    let mut file = open(&settings).unwrap();
    for body in ["1234", "5678", "a whole line", "b", "c", "another whole line", "d"] {
        file.deliver(deliveries.next(&[body])).unwrap();
    }
    file.close(Instant::now()).unwrap();
    drop(file);
    assert_eq!(text(&path), "d\n");
    // The thread may have been busy at the last rotation; the next start does what is left.
    open(&settings).unwrap().close(Instant::now()).unwrap();
    let rotated: Vec<_> = rotated(&path).iter().map(|path| text(path)).collect();
    assert_eq!(rotated, ["a whole line\n", "b\nc\nanother whole line\n"]);
    assert_eq!(deliveries.acknowledged(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn rotates_by_age_when_idle_and_compresses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let rotate_after = Duration::from_nanos(1);
    let compression = Compression::Zstd;
    let settings = Settings { rotate_after, compression, ..settings(&path) };
    let mut file = open(&settings).unwrap();
    file.tick().unwrap();
    assert!(rotated(&path).is_empty());
    file.deliver(Deliveries::of("web").next(&["one"])).unwrap();
    file.close(Instant::now()).unwrap();
    let [rotated] = rotated(&path).try_into().unwrap();
    assert_eq!(rotated.extension().unwrap(), "zst");
    let bytes = std::fs::read(&rotated).unwrap();
    assert_eq!(zstd::decode_all(&*bytes).unwrap(), b"one\n");
    assert_eq!(text(&path), "");
}

#[test]
fn finds_that_the_file_was_moved_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut deliveries = Deliveries::of("web");
    let mut file = open(&settings(&path)).unwrap();
    file.deliver(deliveries.next(&["one"])).unwrap();
    let moved = directory.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    file.looked = crate::record::Timestamp::from_nanos(0);
    file.tick().unwrap();
    file.deliver(deliveries.next(&["two"])).unwrap();
    assert_eq!((text(&moved), text(&path)), ("one\n".to_owned(), "two\n".to_owned()));
}

#[test]
fn a_rotation_that_fails_does_not_stop_the_lines() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("app.log");
    let mut deliveries = Deliveries::of("web");
    let mut file = open(&Settings { rotate_bytes: 1, ..settings(&path) }).unwrap();
    let moved = directory.path().join("moved");
    std::fs::rename(&inner, &moved).unwrap();
    file.looked = crate::record::Timestamp::from_nanos(0);
    file.deliver(deliveries.next(&["one"])).unwrap();
    file.deliver(deliveries.next(&["two"])).unwrap();
    assert_eq!(text(&moved.join("app.log")), "one\ntwo\n");
    assert_eq!(deliveries.acknowledged(), [0, 1]);
    assert_eq!(file.metrics.rotation_errors.get(), 1);
}

#[test]
fn says_what_is_wrong_with_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let error = |path: &Path| open(&settings(path)).unwrap_err();
    assert!(matches!(error(Path::new("/")), Error::Path { .. }));
    assert!(matches!(error(&path.join("nowhere")), Error::Open { .. }));
    assert!(matches!(error(Path::new("/dev/null")), Error::NotRegular { .. }));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(error(&link), Error::SymbolicLink { .. }));
    let _first = open(&settings(&path)).unwrap();
    assert!(matches!(error(&path), Error::InUse { .. }));
}
