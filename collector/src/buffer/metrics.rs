//! What the queues hold and drop.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    sink: String,
    reason: &'static str,
}

/// Why a queue dropped records; the value of `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// No room, and the settings say not to wait.
    QueueFull,
    /// The agent ended before its sink took them.
    Closed,
}

impl DropReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Closed => "closed",
        }
    }
}

/// Gauges and counters of all queues.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    bytes: Family<SinkLabel, Gauge>,
    records: Family<SinkLabel, Gauge>,
    blocked: Family<SinkLabel, Counter<f64, AtomicU64>>,
    dropped: Family<DropLabels, Counter>,
}

impl Metrics {
    /// Adds them to `registry`, whose prefix is the agent's.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { bytes, records, blocked, dropped } = metrics.clone();
        let registry = registry.sub_registry_with_prefix("buffer");
        registry.register_with_unit("held", "Memory of queued batches", Unit::Bytes, bytes);
        registry.register("held_records", "Records in queued batches", records);
        registry.register_with_unit(
            "blocked",
            "Time that capture waited for room in the queue",
            Unit::Seconds,
            blocked,
        );
        registry.register("dropped_records", "Records dropped before their sink", dropped);
        metrics
    }

    /// Those of the queue before the sink called `name`.
    pub(super) fn queue(&self, name: &str) -> QueueMetrics {
        let label = SinkLabel { sink: name.to_owned() };
        QueueMetrics {
            bytes: self.bytes.get_or_create_owned(&label),
            records: self.records.get_or_create_owned(&label),
            blocked: self.blocked.get_or_create_owned(&label),
            dropped: self.dropped.clone(),
            label,
        }
    }
}

/// Gauges and counters of one queue.
#[derive(Clone, Debug)]
pub(super) struct QueueMetrics {
    label: SinkLabel,
    bytes: Gauge,
    records: Gauge,
    blocked: Counter<f64, AtomicU64>,
    dropped: Family<DropLabels, Counter>,
}

impl QueueMetrics {
    /// The queue holds so much more, or less.
    pub(super) fn held(&self, bytes: i64, records: i64) {
        self.bytes.inc_by(bytes);
        self.records.inc_by(records);
    }

    /// The producer waited for room.
    pub(super) fn blocked(&self, time: Duration) {
        self.blocked.inc_by(time.as_secs_f64());
    }

    /// Records were dropped.
    pub(super) fn dropped(&self, reason: DropReason, records: usize) {
        let labels = DropLabels { sink: self.label.sink.clone(), reason: reason.as_str() };
        self.dropped.get_or_create(&labels).inc_by(records as u64);
    }
}
