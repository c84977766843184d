//! Which cgroups the probe watches, and what it counted: the kernel's maps behind one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::maps::{HashMap, MapData, MapError, PerCpuArray};
use collector_ebpf::{Container, Counters, FileId, LossReason, NodeCounter, State};

use crate::record::{CgroupId, ContainerId, Stream};

/// Reads of one container's counters until they agree: a write in progress is counted step by step.
const MAX_SNAPSHOTS: usize = 16;

/// The objects that are a container's stdout and stderr; all zero where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stdio {
    /// Inode and device of fd 1.
    pub stdout: FileId,
    /// Inode and device of fd 2.
    pub stderr: FileId,
}

/// A container as the probe has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its id; `None` if the kernel holds something else, which is not a container of ours.
    pub id: Option<ContainerId>,
    /// Whether its cgroup is gone.
    pub gone: bool,
    /// Counters by [`crate::record::Stream::index`].
    pub streams: [Counters; Stream::ALL.len()],
}

/// What became of the bytes of a stream that the ring had only the place of.
#[derive(Clone, Copy, Debug, Default)]
struct Referred {
    read_bytes: u64,
    read_writes: u64,
    lost_bytes: u64,
    lost_writes: u64,
}

/// The handle to what the probe knows; shared between threads.
pub struct Control {
    maps: Mutex<Maps>,
    referred: Mutex<BTreeMap<CgroupId, [Referred; Stream::ALL.len()]>>,
    skipped: Arc<AtomicU64>,
    streams: &'static [Stream],
}

struct Maps {
    cgroups: HashMap<MapData, u64, u64>,
    containers: HashMap<MapData, u64, Container>,
    node: PerCpuArray<MapData, u64>,
}

impl Control {
    pub(super) fn new(
        cgroups: HashMap<MapData, u64, u64>,
        containers: HashMap<MapData, u64, Container>,
        node: PerCpuArray<MapData, u64>,
        skipped: Arc<AtomicU64>,
        streams: &'static [Stream],
    ) -> Self {
        let maps = Mutex::new(Maps { cgroups, containers, node });
        Self { maps, referred: Mutex::default(), skipped, streams }
    }

    /// The streams that are captured of each container: the first of [`Stream::ALL`].
    pub const fn streams(&self) -> &'static [Stream] {
        self.streams
    }

    /// Watches a container that was there before the probe. `nested` are the cgroups below its own. One that the probe
    /// has met already stays as it is.
    pub fn watch(
        &self,
        cgroup: CgroupId,
        nested: &[CgroupId],
        id: &ContainerId,
        stdio: Stdio,
    ) -> Result<(), MapError> {
        const NO_REPLACE: u64 = 1; // BPF_NOEXIST
        let mut digits = [0; ContainerId::LEN];
        digits.copy_from_slice(id.as_str().as_bytes());
        let container = Container {
            stdout: stdio.stdout,
            stderr: stdio.stderr,
            state: State::Watched as u32,
            ..Container::new(digits)
        };
        let mut maps = self.maps();
        if maps.containers.get(&cgroup.0, 0).is_err() {
            maps.containers.insert(cgroup.0, container, NO_REPLACE)?;
        }
        for CgroupId(member) in nested.iter().chain([&cgroup]) {
            maps.cgroups.insert(member, cgroup.0, 0)?;
        }
        Ok(())
    }

    /// Lets the probe forget a container whose counters were read for the last time.
    pub fn forget(&self, cgroup: CgroupId) {
        let mut maps = self.maps();
        let _absent = maps.cgroups.remove(&cgroup.0);
        let _absent = maps.containers.remove(&cgroup.0);
        self.referred().remove(&cgroup);
    }

    /// Bytes of one call that the ring had only the place of were read there, or found no more.
    pub fn count_referred(
        &self,
        cgroup: CgroupId,
        stream: Stream,
        read_bytes: u64,
        lost_bytes: u64,
    ) {
        let mut referred = self.referred();
        let referred = &mut referred.entry(cgroup).or_default()[stream.index()];
        referred.read_bytes += read_bytes;
        referred.lost_bytes += lost_bytes;
        let is_read = u64::from(lost_bytes == 0);
        referred.read_writes += is_read;
        referred.lost_writes += 1 - is_read;
    }

    /// A container, with counters that agree with each other: written = captured + lost. `lost_total_bytes` is the probe's own
    /// count, as its records have it.
    pub fn watched(&self, cgroup: CgroupId) -> Option<Watched> {
        let maps = self.maps();
        let mut container = maps.containers.get(&cgroup.0, 0).ok()?;
        for _ in 1..MAX_SNAPSHOTS {
            if container.streams.iter().all(agree) {
                break;
            }
            container = maps.containers.get(&cgroup.0, 0).ok()?;
        }
        let referred = self.referred().get(&cgroup).copied().unwrap_or_default();
        for (counters, referred) in container.streams.iter_mut().zip(referred) {
            settle(counters, referred);
        }
        Some(Watched {
            id: ContainerId::from_bytes(&container.id).ok(),
            gone: container.state == State::Gone as u32,
            streams: container.streams,
        })
    }

    /// Every container's cgroup.
    pub fn cgroups(&self) -> Vec<CgroupId> {
        self.maps().containers.keys().filter_map(Result::ok).map(CgroupId).collect()
    }

    /// What the probe counts for the whole node.
    pub fn node_counter(&self, counter: NodeCounter) -> u64 {
        let values = self.maps().node.get(&(counter as u32), 0);
        values.map_or(0, |values| values.iter().sum())
    }

    /// Runs of the programs that see writes which the kernel left out, as of a second ago at most. When it grows, any stream may lack
    /// a write of that second: the kernel does not say which.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    fn referred(&self) -> MutexGuard<'_, BTreeMap<CgroupId, [Referred; Stream::ALL.len()]>> {
        self.referred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

fn agree(counters: &Counters) -> bool {
    let lost: u64 = counters.lost_bytes.iter().sum();
    let lost_writes: u64 = counters.lost_writes.iter().sum();
    counters.written_bytes == counters.captured_bytes + counters.referred_bytes + lost
        && counters.written_writes
            == counters.captured_writes + counters.referred_writes + lost_writes
}

/// Counts what was referred to as captured or lost, and what it is not known of yet not at all.
fn settle(counters: &mut Counters, referred: Referred) {
    let unseen = LossReason::Unseen as usize;
    let Referred { read_bytes, read_writes, lost_bytes, lost_writes } = referred;
    counters.captured_bytes += read_bytes;
    counters.captured_writes += read_writes;
    counters.lost_bytes[unseen] += lost_bytes;
    counters.lost_writes[unseen] += lost_writes;
    counters.written_bytes -= counters.referred_bytes.saturating_sub(read_bytes + lost_bytes);
    counters.written_writes -= counters.referred_writes.saturating_sub(read_writes + lost_writes);
    (counters.referred_bytes, counters.referred_writes) = (0, 0);
}
