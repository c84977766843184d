//! Real files, rotated as runtimes do, at every moment of being read.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::{Entry, Error, Format, Log, LogFile, Lost, Metrics, Read, Settings, Sought, Watcher};

mod limits;
mod model;
mod places;
mod rotations;
mod watching;

/// A log in a directory of its own, and whoever reads it.
struct Scene {
    directory: TempDir,
    format: Format,
    registry: Registry,
    watcher: Watcher,
    written: u64,
}

impl Scene {
    fn new(format: Format) -> Self {
        Self::with(format, |_| {})
    }

    fn with(format: Format, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings =
            Settings { rescan_interval: Duration::from_hours(1), ..Settings::default() };
        settings.linger = Duration::ZERO;
        change(&mut settings);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let watcher = Watcher::start(&settings, &metrics).unwrap();
        let scene = Self { directory, format, registry, watcher, written: 0 };
        File::create(scene.path()).unwrap();
        scene
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("c.log")
    }

    /// The log's older file with this suffix.
    fn older(&self, suffix: &str) -> PathBuf {
        self.directory.path().join(format!("c.log.{suffix}"))
    }

    fn open(&self) -> Log {
        let file = LogFile { path: self.path(), format: self.format };
        Log::open(&self.watcher, file).unwrap()
    }

    /// Appends the next `count` lines, which are numbered through.
    fn write(&mut self, count: u64) {
        self.write_to(&self.path(), count);
    }

    fn write_to(&mut self, path: &Path, count: u64) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        for _ in 0..count {
            file.write_all(&record(self.format, self.written)).unwrap();
            self.written += 1;
        }
    }

    /// Waits until the watcher has seen `count` new files.
    fn await_rotations(&self, count: u64) {
        self.await_metric("tail_rotations_total", count);
    }

    fn await_metric(&self, name: &str, value: u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.metric(name) != value {
            assert!(Instant::now() < deadline, "{name} is {}, not {value}", self.metric(name));
            std::thread::yield_now();
        }
    }

    fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse().unwrap()
    }
}

/// Line `number` as a record of a file.
fn record(format: Format, number: u64) -> Vec<u8> {
    let time = format!("2023-11-14T22:13:20.{number:09}Z");
    match format {
        Format::JsonFile => {
            format!("{{\"log\":\"line {number}\\n\",\"stream\":\"stdout\",\"time\":\"{time}\"}}\n")
        }
        Format::Cri => format!("{time} stdout F line {number}\n"),
        Format::Plain => format!("line {number}\n"),
    }
    .into_bytes()
}

/// The number of a line.
fn number(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap();
    text.strip_prefix("line ").unwrap().trim_end().parse().unwrap()
}

/// Reads until there is no more. Returns the lines' numbers.
fn read(log: &mut Log) -> Vec<u64> {
    let mut numbers = Vec::new();
    while !log.read(usize::MAX, &mut |entry| numbers.push(number(entry.bytes))).unwrap().at_end {}
    numbers
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

const NONE: [u64; 0] = [];

/// Docker's rotation with `max-file` of more than there will be.
fn rename(scene: &Scene) {
    shift(scene);
    fs::rename(scene.path(), scene.older("1")).unwrap();
    File::create(scene.path()).unwrap();
}

/// Makes room for a youngest older file.
fn shift(scene: &Scene) {
    for older in (1..60).rev() {
        for suffix in ["", ".gz"] {
            let name = |number: u64| scene.older(&format!("{number}{suffix}"));
            fs::rename(name(older), name(older + 1)).ok();
        }
    }
}

/// Docker's `compress`.
fn pack(path: &Path) {
    let mut packed = path.as_os_str().to_owned();
    packed.push(".gz");
    let file = File::create(packed).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
    fs::remove_file(path).unwrap();
}
