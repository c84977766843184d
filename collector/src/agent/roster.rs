//! Which containers are captured now, for those who look from other threads, and what the forgotten ones have counted.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use collector_ebpf::{Counters, LossReason, NodeCounter, STREAMS};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::capture::Control;
use crate::record::{CgroupId, Container, ContainerId, Stream};

/// The containers and their counters; also the source of their metrics.
#[derive(Clone)]
pub(super) struct Roster {
    /// None when nothing is captured.
    control: Option<Arc<Control>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    containers: HashMap<ContainerId, Known>,
    /// Sums over cgroups that were forgotten.
    forgotten: Counters,
}

/// A container with a name. Started again it has another cgroup, and its counters go on.
struct Known {
    container: Arc<Container>,
    /// Those that are not forgotten.
    cgroups: HashSet<CgroupId>,
    /// What the forgotten ones have counted, by stream.
    earlier: [Counters; STREAMS],
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").finish_non_exhaustive()
    }
}

impl Roster {
    pub(super) fn new(control: Option<Arc<Control>>) -> Self {
        Self { control, state: Arc::default() }
    }

    /// A container is captured, or is known by more than before.
    pub(super) fn set(&self, cgroup: CgroupId, container: Arc<Container>) {
        let mut state = self.state();
        let known = state.containers.entry(container.id).or_insert_with(|| Known {
            container: Arc::clone(&container),
            cgroups: HashSet::new(),
            earlier: Default::default(),
        });
        known.cgroups.insert(cgroup);
        // What no runtime explains may have been explained before.
        if container.name.is_some() {
            known.container = container;
        }
    }

    /// A cgroup of the container `id` is gone and its grace time is over: its counts stay in the node's, and in the
    /// container's until the last one goes, with which its series end.
    pub(super) fn forget(&self, cgroup: CgroupId, id: &ContainerId) {
        let Some(control) = &self.control else { return };
        let mut state = self.state();
        let streams = control.watched(cgroup).map_or_else(Default::default, |it| it.streams);
        control.forget(cgroup);
        add_all(&mut state.forgotten, &streams);
        let Some(known) = state.containers.get_mut(id) else { return };
        known.cgroups.remove(&cgroup);
        for (earlier, counters) in known.earlier.iter_mut().zip(&streams) {
            add(earlier, counters);
        }
        if known.cgroups.is_empty() {
            state.containers.remove(id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every stream's counters with its labels, and the node's sums.
    fn snapshot(&self) -> (Vec<(StreamLabels, Counters)>, Counters) {
        // The lock is held throughout: a container that is forgotten meanwhile would be in neither, or in both.
        let state = self.state();
        let mut node = state.forgotten;
        let mut current: HashMap<ContainerId, [Counters; STREAMS]> = HashMap::new();
        let watched = self.control.iter().flat_map(|control| {
            control.cgroups().into_iter().filter_map(|cgroup| control.watched(cgroup))
        });
        for watched in watched {
            add_all(&mut node, &watched.streams);
            if let Some(known) = watched.id.and_then(|id| state.containers.get(&id)) {
                let sums = current.entry(known.container.id).or_insert(known.earlier);
                for (sum, counters) in sums.iter_mut().zip(&watched.streams) {
                    add(sum, counters);
                }
            }
        }
        let captured = self.control.as_ref().map_or(&[][..], |control| control.streams());
        let mut streams = Vec::new();
        for (id, sums) in &current {
            let Some(known) = state.containers.get(id) else { continue };
            for (stream, counters) in captured.iter().zip(sums) {
                streams.push((StreamLabels::new(&known.container, *stream), *counters));
            }
        }
        (streams, node)
    }
}

fn add_all(sum: &mut Counters, streams: &[Counters; STREAMS]) {
    for counters in streams {
        add(sum, counters);
    }
}

fn add(sum: &mut Counters, counters: &Counters) {
    sum.written_bytes += counters.written_bytes;
    sum.written_writes += counters.written_writes;
    sum.captured_bytes += counters.captured_bytes;
    sum.captured_writes += counters.captured_writes;
    sum.lost_total_bytes += counters.lost_total_bytes;
    for index in 0..LossReason::ALL.len() {
        sum.lost_bytes[index] += counters.lost_bytes[index];
        sum.lost_writes[index] += counters.lost_writes[index];
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    container_name: String,
    container_id: String,
    log_iostream: &'static str,
}

impl StreamLabels {
    fn new(container: &Container, stream: Stream) -> Self {
        Self {
            container_name: container.display_name().to_owned(),
            container_id: container.id.short().to_owned(),
            log_iostream: stream.as_str(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    #[prometheus(flatten)]
    stream: StreamLabels,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// A count of a stream: name, help, and how to read it.
type Count = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTS: [Count; 4] = [
    ("written_bytes", "Bytes that writers gave to the stream", |c| c.written_bytes),
    ("written_writes", "Calls that wrote to the stream", |c| c.written_writes),
    ("captured_bytes", "Bytes of the stream that were captured", |c| c.captured_bytes),
    ("captured_writes", "Calls that were captured whole", |c| c.captured_writes),
];

/// The same by reason of the loss.
type Loss = (&'static str, &'static str, fn(&Counters) -> &[u64; LossReason::ALL.len()]);

const LOSSES: [Loss; 2] = [
    ("lost_bytes", "Bytes of the stream that were not captured", |c| &c.lost_bytes),
    ("lost_writes", "Calls that were not captured whole", |c| &c.lost_writes),
];

impl Collector for Roster {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (streams, node) = self.snapshot();
        for (name, help, read) in COUNTS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, counters) in &streams {
                ConstCounter::new(read(counters)).encode(family.encode_family(labels)?)?;
            }
            let name = format!("node_{name}");
            let family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            ConstCounter::new(read(&node)).encode(family)?;
        }
        for (name, help, read) in LOSSES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (stream, counters) in &streams {
                for (reason, lost) in LossReason::ALL.iter().zip(read(counters)) {
                    let labels = LossLabels { stream: stream.clone(), reason: reason.label() };
                    ConstCounter::new(*lost).encode(family.encode_family(&labels)?)?;
                }
            }
            let name = format!("node_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (reason, lost) in LossReason::ALL.iter().zip(read(&node)) {
                let labels = Reason { reason: reason.label() };
                ConstCounter::new(*lost).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "What the probe could not charge a container with";
        let mut family =
            encoder.encode_descriptor("probe_misses", help, None, MetricType::Counter)?;
        for counter in NodeCounter::ALL {
            let labels = Reason { reason: counter.label() };
            let count = self.control.as_ref().map_or(0, |control| control.node_counter(counter));
            let count = ConstCounter::new(count);
            count.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
