//! The thread that sees rotations.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::Receiver;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::ReadFlags;

use super::discovery::Discovery;
use super::hub::{Hub, events};
use super::metrics::WatchError;
use super::shared::Shared;
use super::{Error, Metrics, Settings};
use crate::record::ContainerId;

/// Containers found that wait to be taken.
const DISCOVERIES: usize = 1024;

/// Follows the rotations of all [`Log`](super::Log)s in a thread of its own, and finds containers. Ends when dropped; logs
/// that are still open then are only read to the end of the files they know.
#[derive(Debug)]
pub struct Watcher {
    pub(super) hub: Arc<Hub>,
    signal: Arc<Signal>,
    discoveries: Receiver<ContainerId>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug)]
struct Signal {
    wake: OwnedFd,
    is_stopped: AtomicBool,
    is_discovering: AtomicBool,
}

impl Signal {
    fn set(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::Release);
        // Only fails when the counter is full, and then the thread is woken too.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).ok();
    }
}

impl Watcher {
    /// Starts the thread.
    pub fn start(settings: &Settings, metrics: &Metrics) -> Result<Self, Error> {
        let failed = |source| Error::Watch { source };
        let hub = Arc::new(Hub::new(settings.clone(), metrics.clone()).map_err(failed)?);
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let signal = Arc::new(Signal {
            wake: wake.map_err(|errno| failed(errno.into()))?,
            is_stopped: AtomicBool::new(false),
            is_discovering: AtomicBool::new(false),
        });
        let (found, discoveries) = crossbeam_channel::bounded(DISCOVERIES);
        let discovery = Discovery::new(found, metrics).map_err(failed)?;
        let run = {
            let (hub, signal) = (Arc::clone(&hub), Arc::clone(&signal));
            move || Thread { hub, signal, discovery }.run()
        };
        let thread = std::thread::Builder::new().name("tail-watch".to_owned());
        let thread = Some(thread.spawn(run).map_err(failed)?);
        Ok(Self { hub, signal, discoveries, thread })
    }

    /// Containers whose logs are there or come to be there, in [`Settings::docker_root`] and [`Settings::cri_links`]. Looked
    /// for from the first call on. One that vanishes and comes back is told again.
    pub fn discoveries(&self) -> Receiver<ContainerId> {
        self.signal.set(&self.signal.is_discovering);
        self.discoveries.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.signal.set(&self.signal.is_stopped);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread's own.
struct Thread {
    hub: Arc<Hub>,
    signal: Arc<Signal>,
    discovery: Discovery,
}

impl Thread {
    fn run(mut self) {
        let mut last_look = Instant::now();
        while !self.signal.is_stopped.load(Ordering::Acquire) {
            self.take_events();
            if self.signal.is_discovering.load(Ordering::Acquire) {
                self.discovery.take_events(&self.hub.settings);
            }
            let interval = self.hub.settings.rescan_interval;
            if last_look.elapsed() >= interval {
                self.look_at_all();
                last_look = Instant::now();
            }
            if let Err(error) = self.wait(interval.saturating_sub(last_look.elapsed())) {
                self.failed(&error);
                // Until the next slow look: an error that stays must not spin.
                std::thread::sleep(interval.min(std::time::Duration::from_secs(1)));
            }
        }
    }

    /// Waits for an event, a signal, or `timeout`.
    fn wait(&self, timeout: std::time::Duration) -> io::Result<()> {
        let mut fds = [
            PollFd::new(self.hub.inotify(), PollFlags::IN),
            PollFd::new(self.discovery.inotify(), PollFlags::IN),
            PollFd::new(&self.signal.wake, PollFlags::IN),
        ];
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut count = [0; 8];
        // Nothing to read is no error here.
        rustix::io::read(self.signal.wake.as_fd(), &mut count).ok();
        Ok(())
    }

    fn take_events(&self) {
        let events = match events(self.hub.inotify()) {
            Ok(events) => events,
            Err(error) => return self.failed(&error),
        };
        let mut rotated: HashMap<*const Shared, (Arc<Shared>, u64)> = HashMap::new();
        let mut is_overflow = false;
        for event in events {
            is_overflow |= event.flags.contains(ReadFlags::QUEUE_OVERFLOW);
            if event.flags.contains(ReadFlags::MODIFY) {
                if let Some(log) = self.hub.take_armed(event.watch) {
                    log.is_dirty.store(true, Ordering::Release);
                }
            } else if event.flags.contains(ReadFlags::IGNORED) {
                self.hub.forget(event.watch);
            }
            if event.flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                for log in self.hub.logs_called(event.watch, &event.name) {
                    let entry = rotated.entry(Arc::as_ptr(&log)).or_insert((log, 0));
                    entry.1 += u64::from(event.flags.contains(ReadFlags::CREATE));
                }
            }
        }
        if is_overflow {
            self.hub.metrics.watch_failed(WatchError::Overflow);
            self.look_at_all();
        }
        if rotated.is_empty() {
            return;
        }
        for (log, created) in rotated.into_values() {
            self.update(&log, created);
        }
        self.hub.bound_open_files();
    }

    /// For what no event told: a dropped one, a file system without events, a directory that was not watched.
    fn look_at_all(&self) {
        for log in self.hub.logs() {
            if log.is_written() {
                log.is_dirty.store(true, Ordering::Release);
            }
            if log.is_replaced() {
                self.update(&log, 0);
            }
        }
        self.hub.bound_open_files();
    }

    fn update(&self, log: &Shared, created: u64) {
        match log.rotated(created) {
            Ok(()) => {}
            // The container was removed, and its log with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.hub.watch_failed(WatchError::Files, &log.file.path, &error),
        }
    }

    fn failed(&self, error: &io::Error) {
        if self.hub.metrics.watch_failed(WatchError::Inotify) {
            tracing::warn!(%error, "logs are watched by a slow look only");
        }
    }
}
