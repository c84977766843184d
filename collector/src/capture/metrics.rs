//! What the reader counts. The probe's own counters are read through [`super::Control`].

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::skips::Counts;

/// Counts of the ring's reader.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) records: Counter,
    pub(super) record_bytes: Counter,
    pub(super) invalid_records: Counter,
    pub(super) wakeups: Counter,
    pub(super) skipped: Counts,
}

impl Metrics {
    /// Makes them and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { records, record_bytes, invalid_records, wakeups, skipped } = &metrics;
        registry.register("ring_records", "Records read from the ring buffer", records.clone());
        registry.register("ring_bytes", "Bytes read from the ring buffer", record_bytes.clone());
        registry.register(
            "ring_invalid_records",
            "Records of the ring buffer that could not be decoded",
            invalid_records.clone(),
        );
        registry.register(
            "ring_wakeups",
            "Times the reader of the ring buffer woke up",
            wakeups.clone(),
        );
        registry.register(
            "probe_skipped",
            "Runs of a program that the kernel left out because it was at work on that CPU: of one that sees writes, a loss \
             that no stream can be charged with",
            skipped.clone(),
        );
        metrics
    }
}
