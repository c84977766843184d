//! The disk buffer with all its ends, on real files that fail on command.

mod faults;
mod limits;
mod recovery;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::files::Files;
use super::{Consumer, Error, Producer, Settings, open_with};
use crate::buffer::samples::batch_with;
use crate::buffer::{self, Metrics};
use crate::record::Delivery;

const LONG: Duration = Duration::from_mins(1);
/// Larger than what stands beside it.
const BODY: [u8; 40] = [b'b'; 40];
/// Size of a frame with it.
const FRAME_BYTES: u64 = 222;
const PROLOGUE_BYTES: u64 = 64;

/// What is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Open,
    Write,
    /// Half of it is written.
    TornWrite,
    Sync,
    Read,
    Remove,
}

/// Real files, of which some operations fail.
#[derive(Debug, Default)]
struct Faults(Mutex<HashSet<Operation>>);

impl Faults {
    fn set(&self, operations: &[Operation]) {
        *self.0.lock().unwrap() = operations.iter().copied().collect();
    }

    fn check(&self, operation: Operation, errno: i32) -> io::Result<()> {
        if self.0.lock().unwrap().contains(&operation) {
            return Err(io::Error::from_raw_os_error(errno));
        }
        Ok(())
    }
}

struct Real;

impl std::fmt::Debug for Real {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Real")
    }
}

impl Files for Real {}

impl Files for Faults {
    fn open(&self, path: &Path) -> io::Result<File> {
        self.check(Operation::Open, libc::ENOSPC)?;
        Real.open(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check(Operation::Write, libc::ENOSPC)?;
        self.check(Operation::TornWrite, libc::ENOSPC).inspect_err(|_| {
            Real.write_at(file, &bytes[..bytes.len() / 2], offset).unwrap();
        })?;
        Real.write_at(file, bytes, offset)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        // What a crash of the system leaves is not looked at, and real ones take their time.
        self.check(Operation::Sync, libc::EIO)
    }

    fn read_at(&self, file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.check(Operation::Read, libc::EIO)?;
        Real.read_at(file, bytes, offset)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::Remove, libc::EROFS)?;
        Real.remove(path)
    }
}

/// A buffer's directory, and what is kept from opening to opening.
struct Disk {
    _directory: TempDir,
    files: Arc<Faults>,
    registry: Registry,
    metrics: Metrics,
    settings: buffer::Settings,
    storage: Settings,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let storage = Settings {
            sync_interval: Duration::ZERO,
            ..Settings::new(directory.path().join("buffer"))
        };
        let settings = buffer::Settings::default();
        Self { _directory: directory, files: Arc::default(), registry, metrics, settings, storage }
    }

    /// Memory for one batch: all others are on the disk alone.
    fn with_memory_of_one() -> Self {
        let mut disk = Self::new();
        disk.settings.max_bytes = 0;
        disk
    }

    fn path(&self) -> &Path {
        &self.storage.directory
    }

    fn try_open(&self) -> Result<(Producer, Consumer), Error> {
        let files = Arc::clone(&self.files);
        open_with(files, self.settings.clone(), self.storage.clone(), self.metrics.queue("main"))
    }

    fn open(&self) -> (Producer, Consumer) {
        self.try_open().unwrap()
    }

    /// Another directory with what is in this one now: what a crash leaves.
    fn image(&self) -> Self {
        let image = Self { settings: self.settings.clone(), ..Self::new() };
        let image = Self {
            storage: Settings { directory: image.path().to_owned(), ..self.storage.clone() },
            ..image
        };
        std::fs::create_dir(image.path()).unwrap();
        for entry in self.path().read_dir().unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), image.path().join(entry.file_name())).unwrap();
        }
        image
    }

    /// Files of the segments, oldest first.
    fn segments(&self) -> Vec<std::path::PathBuf> {
        let entries = self.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let is_segment =
            |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "segment");
        let mut segments: Vec<_> = entries.filter(is_segment).collect();
        segments.sort();
        segments
    }

    fn metric(&self, name: &str) -> Option<u64> {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("buffer_{name}")))?;
        line.rsplit(' ').next().map(|value| value.parse().unwrap())
    }
}

/// Pushes batches of those numbers.
fn push(producer: &Producer, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        producer.push(&Arc::new(batch_with(number, &BODY)));
    }
}

/// Waits until all that was pushed is durable or delivered.
fn settle(producer: &Producer) {
    let shared = &producer.0;
    let is_open = |state: &mut super::State| state.settled() < state.handed();
    let (_state, late) = shared.room.wait_timeout_while(shared.lock(), LONG, is_open).unwrap();
    assert!(!late.timed_out());
}

fn number_of(delivery: &Delivery) -> u64 {
    let record = delivery.batch.get(0).unwrap();
    assert_eq!(record.body, BODY);
    record.number
}

/// Takes and acknowledges so many batches.
fn take(consumer: &mut Consumer, batches: usize) -> Vec<u64> {
    let one = || {
        let delivery = consumer.pop(LONG).unwrap();
        let number = number_of(&delivery);
        delivery.receipt.acknowledge();
        number
    };
    std::iter::repeat_with(one).take(batches).collect()
}

/// Closes, and takes and acknowledges all that is left.
fn drain((producer, mut consumer): (Producer, Consumer)) -> Vec<u64> {
    producer.close();
    let mut numbers = Vec::new();
    loop {
        match consumer.pop(LONG) {
            Ok(delivery) => {
                numbers.push(number_of(&delivery));
                delivery.receipt.acknowledge();
            }
            Err(error) => {
                assert_eq!(error, RecvTimeoutError::Disconnected);
                return numbers;
            }
        }
    }
}
