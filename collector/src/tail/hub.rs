//! What all logs share: the kernel's watches, spare blocks, and the bound on open files.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::block::Block;
use super::metrics::WatchError;
use super::shared::{Shared, lock};
use super::{Metrics, Settings};

/// Blocks kept for the next read.
const SPARE_BLOCKS: usize = 4;
/// Bytes of events read at once: at least one with the longest name.
pub(super) const EVENT_BYTES: usize = 16 << 10;

/// Shared by the watcher's thread and all logs.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) settings: Settings,
    pub(super) metrics: Metrics,
    inotify: OwnedFd,
    watches: Mutex<Watches>,
    blocks: Mutex<Vec<Block>>,
}

/// By watch descriptor. The kernel does not use one again.
#[derive(Debug, Default)]
struct Watches {
    directories: HashMap<i32, Vec<Weak<Shared>>>,
    /// Newest files, each until its first write.
    files: HashMap<i32, Weak<Shared>>,
    /// All logs, watched or not.
    logs: Vec<Weak<Shared>>,
}

/// An event of inotify.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) watch: i32,
    pub(super) flags: ReadFlags,
    pub(super) name: OsString,
}

impl Hub {
    pub(super) fn new(settings: Settings, metrics: Metrics) -> io::Result<Self> {
        Ok(Self {
            settings,
            metrics,
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            watches: Mutex::default(),
            blocks: Mutex::default(),
        })
    }

    pub(super) fn inotify(&self) -> &OwnedFd {
        &self.inotify
    }

    /// A block to read into.
    pub(super) fn take_block(&self) -> Block {
        lock(&self.blocks).pop().unwrap_or_default()
    }

    /// Keeps a block for the next one who reads.
    pub(super) fn keep_block(&self, mut block: Block) {
        block.shrink(self.settings.block_bytes);
        let mut blocks = lock(&self.blocks);
        if blocks.len() < SPARE_BLOCKS {
            blocks.push(block);
        }
    }

    /// Watches a log's directory from now on. Without the kernel's watch it is looked at slowly.
    pub(super) fn add(&self, log: &Arc<Shared>) {
        let mut watches = lock(&self.watches);
        watches.logs.push(Arc::downgrade(log));
        let directory = log.file.path.parent().map(PathBuf::from).unwrap_or_default();
        // What goes is of no interest, but the kernel merges equal events that follow each other.
        let goes = WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | goes | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.inotify, &directory, flags) {
            Ok(watch) => watches.directories.entry(watch).or_default().push(Arc::downgrade(log)),
            Err(error) => self.watch_failed(WatchError::Inotify, &directory, &error.into()),
        }
    }

    /// Forgets a log.
    pub(super) fn remove(&self, log: &Arc<Shared>) {
        let mut watches = lock(&self.watches);
        let is_other = |other: &Weak<Shared>| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(log));
        watches.logs.retain(is_other);
        let Watches { directories, files, logs: _ } = &mut *watches;
        let unused = directories.extract_if(|_, logs| {
            let before = logs.len();
            logs.retain(is_other);
            before > 0 && logs.is_empty()
        });
        let unused = unused.map(|(watch, _)| watch);
        let armed = files.extract_if(|_, log| !is_other(log)).map(|(watch, _)| watch);
        for watch in unused.chain(armed) {
            // The directory or file may be gone, and its watch with it.
            inotify::remove_watch(&self.inotify, watch).ok();
        }
    }

    /// Marks the log as dirty at the next write to its newest file.
    pub(super) fn arm(&self, log: &Arc<Shared>) {
        let path = log.generations().newest().and_then(|newest| newest.open_path());
        let Some(path) = path else { return };
        // Locked until the watch is known: its event may come before `add_watch` returns.
        let mut watches = lock(&self.watches);
        match inotify::add_watch(&self.inotify, &path, WatchFlags::MODIFY | WatchFlags::ONESHOT) {
            Ok(watch) => drop(watches.files.insert(watch, Arc::downgrade(log))),
            Err(error) => {
                self.watch_failed(WatchError::Inotify, &log.file.path, &error.into());
                log.is_dirty.store(true, Ordering::Release);
            }
        }
    }

    /// All logs.
    pub(super) fn logs(&self) -> Vec<Arc<Shared>> {
        lock(&self.watches).logs.iter().filter_map(Weak::upgrade).collect()
    }

    /// The logs in a watched directory that are called `name`.
    pub(super) fn logs_called(&self, watch: i32, name: &OsStr) -> Vec<Arc<Shared>> {
        let watches = lock(&self.watches);
        let logs = watches.directories.get(&watch).into_iter().flatten().filter_map(Weak::upgrade);
        logs.filter(|log| log.file.path.file_name() == Some(name)).collect()
    }

    /// The log whose newest file was written to. Its watch is spent.
    pub(super) fn take_armed(&self, watch: i32) -> Option<Arc<Shared>> {
        lock(&self.watches).files.remove(&watch)?.upgrade()
    }

    /// The kernel dropped a watch: its directory is gone, or it was spent.
    pub(super) fn forget(&self, watch: i32) {
        let mut watches = lock(&self.watches);
        watches.directories.remove(&watch);
        watches.files.remove(&watch);
    }

    /// Closes rotated files until no more are held than the settings allow.
    pub(super) fn bound_open_files(&self) {
        let logs = self.logs();
        let mut held: Vec<(usize, &Arc<Shared>)> =
            logs.iter().map(|log| (log.generations().held(), log)).collect();
        let mut sum: usize = held.iter().map(|(held, _)| held).sum();
        while sum > self.settings.max_open_files {
            let Some((most, log)) = held.iter_mut().max_by_key(|(held, _)| *held) else { break };
            if let Err(error) = log.close_oldest(&mut log.generations()) {
                self.watch_failed(WatchError::Files, &log.file.path, &error);
            }
            *most -= 1;
            sum -= 1;
        }
    }

    pub(super) fn watch_failed(
        &self,
        reason: WatchError,
        path: &std::path::Path,
        error: &io::Error,
    ) {
        if self.metrics.watch_failed(reason) {
            tracing::warn!(path = %path.display(), %error, "log is watched by a slow look only");
        }
    }
}

/// All events that wait. An error if the kernel has none to give.
pub(super) fn events(inotify: &OwnedFd) -> io::Result<Vec<Event>> {
    let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut events = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map_or(&[][..], std::ffi::CStr::to_bytes);
                let name = OsStr::from_bytes(name).to_owned();
                events.push(Event { watch: event.wd(), flags: event.events(), name });
            }
            Err(Errno::AGAIN) => return Ok(events),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
