//! Containers that have a log, found in the runtimes' directories.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use crossbeam_channel::Sender;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::hub::events;
use super::locate::{containers, docker_logs, locate, of_directory, of_link};
use super::metrics::WatchError;
use super::{Located, Metrics, Settings};
use crate::record::ContainerId;

/// Containers without a log whose directories are watched for one; further ones are looked at slowly.
const MAX_WATCHED: usize = 4096;

/// Tells of each container once its log is there. Docker makes a container's directory long before its log.
#[derive(Debug)]
pub(super) struct Discovery {
    inotify: OwnedFd,
    found: Sender<ContainerId>,
    metrics: Metrics,
    /// Those that were told and are still there.
    told: HashSet<ContainerId>,
    /// Directories of containers that have no log yet.
    waiting: HashMap<i32, ContainerId>,
    last_look: Option<Instant>,
}

impl Discovery {
    pub(super) fn new(found: Sender<ContainerId>, metrics: &Metrics) -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            found,
            metrics: metrics.clone(),
            told: HashSet::new(),
            waiting: HashMap::new(),
            last_look: None,
        })
    }

    pub(super) fn inotify(&self) -> &OwnedFd {
        &self.inotify
    }

    /// Takes what the kernel told; now and then, and the first time, looks at everything.
    pub(super) fn take_events(&mut self, settings: &Settings) {
        let is_due = |last: Instant| last.elapsed() >= settings.rescan_interval;
        let mut is_due = self.last_look.is_none_or(is_due);
        match events(&self.inotify) {
            Ok(events) => {
                for event in events {
                    is_due |= event.flags.contains(ReadFlags::QUEUE_OVERFLOW);
                    let waiting = self.waiting.get(&event.watch).copied();
                    let named = || of_directory(&event.name).or_else(|| of_link(&event.name));
                    if event.flags.contains(ReadFlags::IGNORED) {
                        self.waiting.remove(&event.watch);
                    } else if let Some(id) = waiting.or_else(named) {
                        self.look_at(settings, id);
                    }
                }
            }
            Err(error) => {
                if self.metrics.watch_failed(WatchError::Inotify) {
                    tracing::warn!(%error, "containers are found by a slow look only");
                }
            }
        }
        if is_due {
            self.look_at_all(settings);
            self.last_look = Some(Instant::now());
        }
    }

    fn look_at_all(&mut self, settings: &Settings) {
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        for directory in [docker_logs(settings), settings.cri_links.clone()] {
            // Again each time: it may be made only now, or made anew. There need not be both runtimes.
            inotify::add_watch(&self.inotify, &directory, flags).ok();
        }
        match containers(settings) {
            Ok(ids) => {
                let there: HashSet<ContainerId> = ids.iter().copied().collect();
                self.told.retain(|id| there.contains(id));
                for id in ids {
                    self.look_at(settings, id);
                }
            }
            Err(error) => {
                if self.metrics.watch_failed(WatchError::Files) {
                    tracing::warn!(%error, "containers cannot be listed by their logs");
                }
            }
        }
    }

    /// Tells of `id` if it has a log, else waits for that.
    fn look_at(&mut self, settings: &Settings, id: ContainerId) {
        if self.told.contains(&id) {
            return;
        }
        if locate(settings, &id) == Located::Absent {
            self.watch(settings, id);
            // It may have come before the watch.
            if locate(settings, &id) == Located::Absent {
                return;
            }
        }
        if self.found.try_send(id).is_ok() {
            self.told.insert(id);
            let spent = self.waiting.extract_if(|_, waiting| *waiting == id);
            for (watch, _) in spent {
                inotify::remove_watch(&self.inotify, watch).ok();
            }
        } else {
            self.metrics.watch_failed(WatchError::Discoveries);
        }
    }

    fn watch(&mut self, settings: &Settings, id: ContainerId) {
        let directory = docker_logs(settings).join(id.as_str());
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        if self.waiting.len() < MAX_WATCHED
            && let Ok(watch) = inotify::add_watch(&self.inotify, &directory, flags)
        {
            self.waiting.insert(watch, id);
        }
    }
}
