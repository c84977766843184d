//! Draining the ring, and sleeping in between.
//!
//! Wake-ups are batched: while something is written the reader looks once per `wake_interval`, whatever the number of
//! writers, and the kernel wakes it early only when a quarter of the ring is full. When nothing was written for a while
//! it sleeps until the next record. [`collector_ebpf::Reader`] tells the probe which of these it is.

use std::fmt;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData, RingBuf};
use aya_log::EbpfLogger;
use collector_ebpf::Reader as State;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;

use super::clock::Clock;
use super::decode::{Event, decode};
use super::metrics::Metrics;
use super::skips::Skips;

/// Quiet ticks before the reader sleeps until the next record.
const QUIET_TICKS: u32 = 10;

/// How often the two clocks are compared, and the probe's own log and the skipped runs are read.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// The reading end of the ring. It belongs to one thread.
pub struct Reader {
    ring: RingBuf<MapData>,
    state: ReaderState,
    /// Edge-triggered: a wait ends at the kernel's wake-up, not because something is there already.
    edges: Option<OwnedFd>,
    wake_interval: Duration,
    quiet_ticks: u32,
    /// The number that the next chunk gets.
    sequence: u64,
    clock: Clock,
    skips: Skips,
    kept_house: Instant,
    metrics: Metrics,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("wake_interval", &self.wake_interval).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(
        ring: RingBuf<MapData>,
        state: ReaderState,
        mut skips: Skips,
        wake_interval: Duration,
        metrics: Metrics,
    ) -> Self {
        let edges = edges_of(&ring)
            .inspect_err(|error| {
                tracing::warn!(%error, "no epoll: a filling ring cannot wake the reader early");
            })
            .ok();
        // So that each count is there from the start.
        skips.read(&metrics.skipped);
        let (clock, kept_house) = (Clock::now(), Instant::now());
        Self {
            ring,
            state,
            edges,
            wake_interval,
            quiet_ticks: 0,
            sequence: 0,
            clock,
            skips,
            kept_house,
            metrics,
        }
    }

    /// Hands over at most `limit` records in the order of the ring and returns how many there were.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(Event<'_>)) -> usize {
        self.keep_house();
        self.clock = self.clock.unless_set();
        let clock = self.clock;
        let (mut records, mut bytes) = (0, 0);
        while records < limit {
            let Some(record) = self.ring.next() else { break };
            records += 1;
            bytes += record.len();
            match decode(&record, |boot_ns| clock.wall(boot_ns)) {
                Ok(mut event) => {
                    if let Event::Chunk { chunk, .. } = &mut event {
                        chunk.sequence = self.sequence;
                        self.sequence += 1;
                    }
                    take(event);
                }
                Err(error) => {
                    if self.metrics.invalid_records.inc() == 0 {
                        tracing::error!(%error, "a record of the probe is unreadable and dropped");
                    }
                }
            }
        }
        self.metrics.records.inc_by(records as u64);
        self.metrics.record_bytes.inc_by(bytes as u64);
        self.quiet_ticks = if records == 0 { self.quiet_ticks + 1 } else { 0 };
        records
    }

    /// Sleeps until it is time to drain again: one tick, or less if the ring fills; when nothing was written of late
    /// until the next record, or `longest`.
    pub fn wait(&mut self, longest: impl FnOnce() -> Duration) {
        if self.quiet_ticks > QUIET_TICKS {
            self.state.set(State::Asleep);
            // Level-triggered: a record that came before the state was set ends the wait at once. One whose writer looked
            // at the state before, and put it there after, woke nobody: the second look finds it.
            let longest = longest();
            for time in [self.wake_interval.min(longest), longest] {
                let mut ring = [PollFd::new(&self.ring, PollFlags::IN)];
                let woken = poll(&mut ring, Some(&timespec(time)));
                self.state.waited(woken);
                if woken.is_ok_and(|ready| ready > 0) {
                    break;
                }
            }
        } else {
            self.state.set(State::Dozing);
            let tick = self.wake_interval;
            if let Some(edges) = &self.edges {
                let mut events = [const { MaybeUninit::uninit() }; 1];
                let woken = epoll::wait(edges, &mut events, Some(&timespec(tick)));
                self.state.waited(woken.map(|(events, _)| events.len()));
            } else {
                std::thread::sleep(tick);
                self.state.forget();
            }
        }
        self.metrics.wakeups.inc();
    }

    fn keep_house(&mut self) {
        if self.kept_house.elapsed() >= HOUSEKEEPING {
            self.kept_house = Instant::now();
            self.clock = Clock::now();
            self.state.flush_log();
            self.skips.read(&self.metrics.skipped);
        }
    }
}

/// What the reader shares with the probe besides the ring.
pub(super) struct ReaderState {
    state: Array<MapData, u32>,
    /// What `state` holds, unless the probe has changed it.
    known: Option<State>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl ReaderState {
    pub(super) const fn new(
        state: Array<MapData, u32>,
        log: Option<EbpfLogger<&'static dyn log::Log>>,
    ) -> Self {
        Self { state, known: None, log }
    }

    /// Tells the probe; a system call, so not at every tick.
    fn set(&mut self, state: State) {
        if self.known != Some(state) {
            // It cannot fail for index 0 of an array; if it did, the reader would be late, never deaf.
            let _never = self.state.set(0, state as u32, 0);
            self.known = Some(state);
        }
    }

    /// A wait is over. Who was woken finds another state; who was woken just after the wait ended, finds at the next one
    /// that it ends at once.
    fn waited(&mut self, woken: rustix::io::Result<usize>) {
        if woken != Ok(0) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.known = None;
    }

    fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }
}

fn edges_of(ring: &RingBuf<MapData>) -> rustix::io::Result<OwnedFd> {
    let edges = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&edges, ring, epoll::EventData::new_u64(0), flags)?;
    Ok(edges)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
