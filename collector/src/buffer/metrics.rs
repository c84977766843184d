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
    /// A batch of more than 4 GiB, which cannot be written.
    TooLarge,
}

impl DropReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Closed => "closed",
            Self::TooLarge => "too_large",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    sink: String,
    operation: &'static str,
}

/// What failed on a disk; the value of `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskOperation {
    /// Making a segment.
    Create,
    /// Adding a batch to one.
    Write,
    /// Making batches durable.
    Sync,
    /// Reading batches back.
    Read,
    /// Deleting a segment.
    Remove,
    /// Noting what is delivered, or knowing it.
    Cursor,
}

impl DiskOperation {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Remove => "remove",
            Self::Cursor => "cursor",
        }
    }
}

/// Gauges and counters of what is on disks.
#[derive(Clone, Debug, Default)]
struct DiskMetrics {
    bytes: Family<SinkLabel, Gauge>,
    corrupt_bytes: Family<SinkLabel, Counter>,
    corrupt_frames: Family<SinkLabel, Counter>,
    torn_bytes: Family<SinkLabel, Counter>,
    replayed_records: Family<SinkLabel, Counter>,
    errors: Family<OperationLabels, Counter>,
}

impl DiskMetrics {
    fn register(&self, registry: &mut Registry) {
        let Self { bytes, corrupt_bytes, corrupt_frames, .. } = self.clone();
        let Self { torn_bytes, replayed_records, errors, .. } = self.clone();
        registry.register_with_unit("disk", "Size of the segments", Unit::Bytes, bytes);
        let help = "Damaged bytes that were passed over when segments were read";
        registry.register_with_unit("corrupt", help, Unit::Bytes, corrupt_bytes);
        let help = "Times that something damaged was passed over, of one frame or several";
        registry.register("corrupt_frames", help, corrupt_frames);
        let help = "Bytes of unfinished writes that were cut off at a start";
        registry.register_with_unit("torn", help, Unit::Bytes, torn_bytes);
        let help = "Records of an earlier run that were given to the sink";
        registry.register("replayed_records", help, replayed_records);
        let help = "Operations on the files of a disk buffer that failed, and were tried again";
        registry.register("disk_errors", help, errors);
    }
}

/// Gauges and counters of all queues.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    disk: DiskMetrics,
    bytes: Family<SinkLabel, Gauge>,
    records: Family<SinkLabel, Gauge>,
    blocked: Family<SinkLabel, Counter<f64, AtomicU64>>,
    dropped: Family<DropLabels, Counter>,
}

impl Metrics {
    /// Adds them to `registry`, whose prefix is the agent's.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { disk, bytes, records, blocked, dropped } = metrics.clone();
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
        disk.register(registry);
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
            disk: self.disk.clone(),
            label,
        }
    }
}

/// Gauges and counters of one queue.
#[derive(Clone, Debug)]
pub(super) struct QueueMetrics {
    label: SinkLabel,
    disk: DiskMetrics,
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
    /// So much is on the disk.
    pub(super) fn on_disk(&self, bytes: u64) {
        self.disk.bytes.get_or_create(&self.label).set(bytes as i64);
    }

    /// Damaged bytes are passed over.
    pub(super) fn corrupt(&self, bytes: u64) {
        self.disk.corrupt_bytes.get_or_create(&self.label).inc_by(bytes);
        self.disk.corrupt_frames.get_or_create(&self.label).inc();
    }

    /// The rest of an unfinished write is cut off.
    pub(super) fn torn(&self, bytes: u64) {
        self.disk.torn_bytes.get_or_create(&self.label).inc_by(bytes);
    }

    /// Records of an earlier run are given to the sink.
    pub(super) fn replayed(&self, records: usize) {
        self.disk.replayed_records.get_or_create(&self.label).inc_by(records as u64);
    }

    /// An operation failed.
    pub(super) fn disk_error(&self, operation: DiskOperation) {
        let operation = operation.as_str();
        let labels = OperationLabels { sink: self.label.sink.clone(), operation };
        self.disk.errors.get_or_create(&labels).inc();
    }
}
