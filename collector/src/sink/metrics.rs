//! What each sink counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::record::Timestamp;

/// Which sink: the only label but for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    sink: String,
    reason: &'static str,
}

/// Why a destination refused a record for good; the value of `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// Larger than the destination takes.
    TooLarge,
    /// Its topic does not exist and is not created.
    UnknownTopic,
    /// The agent may not write there.
    NotAuthorized,
    /// Refused for what it is.
    Invalid,
    /// Refused, and its dead letter could not be written.
    DeadLetterFailed,
}

impl DropReason {
    /// What a destination may say.
    const REFUSALS: [Self; 4] =
        [Self::TooLarge, Self::UnknownTopic, Self::NotAuthorized, Self::Invalid];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::UnknownTopic => "unknown_topic",
            Self::NotAuthorized => "not_authorized",
            Self::Invalid => "invalid",
            Self::DeadLetterFailed => "dead_letter_failed",
        }
    }
}

/// Counters of all sinks.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    records: Family<SinkLabel, Counter>,
    bytes: Family<SinkLabel, Counter>,
    batches: Family<SinkLabel, Counter>,
    retries: Family<SinkLabel, Counter>,
    dropped: Family<DropLabels, Counter>,
    dead_letters: Family<DropLabels, Counter>,
    rotation_errors: Family<SinkLabel, Counter>,
    last_success: Family<SinkLabel, Gauge>,
}

impl Metrics {
    /// Adds them to `registry`, whose prefix is the agent's.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            records,
            bytes,
            batches,
            retries,
            dropped,
            dead_letters,
            rotation_errors,
            last_success,
        } = metrics.clone();
        let registry = registry.sub_registry_with_prefix("sink");
        registry.register("records", "Records the destination has accepted", records);
        registry.register("bytes", "Encoded bytes the destination has accepted", bytes);
        registry.register("batches", "Batches acknowledged", batches);
        registry.register("retries", "Attempts that failed and were repeated", retries);
        registry.register("dropped_records", "Records the destination refused for good", dropped);
        registry.register(
            "dead_letters",
            "Records the destination refused for good, written to the dead letter file",
            dead_letters,
        );
        registry.register("rotation_errors", "Rotations that failed", rotation_errors);
        registry.register_with_unit(
            "last_success_timestamp",
            "When the destination last accepted records, since 1970",
            Unit::Seconds,
            last_success,
        );
        metrics
    }

    /// Those of the sink called `name`.
    pub fn sink(&self, name: &str) -> SinkMetrics {
        let label = SinkLabel { sink: name.to_owned() };
        for reason in DropReason::REFUSALS.map(DropReason::as_str) {
            // There from the start: a counter that begins with its first drop hides that one from `rate`.
            self.dropped.get_or_create_owned(&DropLabels { sink: name.to_owned(), reason });
        }
        SinkMetrics {
            records: self.records.get_or_create_owned(&label),
            bytes: self.bytes.get_or_create_owned(&label),
            batches: self.batches.get_or_create_owned(&label),
            retries: self.retries.get_or_create_owned(&label),
            rotation_errors: self.rotation_errors.get_or_create_owned(&label),
            last_success: self.last_success.get_or_create_owned(&label),
            dropped: self.dropped.clone(),
            dead_letters: self.dead_letters.clone(),
            label,
        }
    }
}

/// Counters of one sink.
#[derive(Clone, Debug)]
pub struct SinkMetrics {
    label: SinkLabel,
    records: Counter,
    bytes: Counter,
    batches: Counter,
    pub(super) retries: Counter,
    pub(super) rotation_errors: Counter,
    last_success: Gauge,
    dropped: Family<DropLabels, Counter>,
    dead_letters: Family<DropLabels, Counter>,
}

impl SinkMetrics {
    /// The sink's name.
    pub(super) fn name(&self) -> &str {
        &self.label.sink
    }

    /// A batch is acknowledged: the destination accepted `records` of it, encoded in `bytes`.
    pub(super) fn accepted(&self, records: usize, bytes: usize) {
        self.batches.inc();
        self.records.inc_by(records as u64);
        self.bytes.inc_by(bytes as u64);
        if records > 0 {
            self.last_success.set((Timestamp::now().as_nanos() / 1_000_000_000) as i64);
        }
    }

    /// A record is refused for good. Returns whether it is the first for this reason, which is to be logged.
    pub(super) fn dropped(&self, reason: DropReason) -> bool {
        self.dropped.get_or_create(&self.reason(reason)).inc() == 0
    }

    /// A record that is refused for good is in the dead letter file. Returns whether it is the first for this reason, which
    /// is to be logged.
    pub(super) fn dead_letter(&self, reason: DropReason) -> bool {
        self.dead_letters.get_or_create(&self.reason(reason)).inc() == 0
    }

    /// There is a dead letter file: what is counted of it is there from the start.
    pub(super) fn expect_dead_letters(&self) {
        for reason in DropReason::REFUSALS {
            self.dead_letters.get_or_create_owned(&self.reason(reason));
        }
        self.dropped.get_or_create_owned(&self.reason(DropReason::DeadLetterFailed));
    }

    fn reason(&self, reason: DropReason) -> DropLabels {
        DropLabels { sink: self.label.sink.clone(), reason: reason.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::{DropReason, Metrics};

    #[test]
    fn has_the_names_of_the_contract_from_the_start() {
        let mut registry = Registry::with_prefix("writetap");
        let metrics = Metrics::register(&mut registry).sink("main");
        metrics.accepted(3, 600);
        metrics.retries.inc();
        assert!(metrics.dropped(DropReason::TooLarge));
        assert!(!metrics.dropped(DropReason::TooLarge));
        metrics.expect_dead_letters();
        assert!(metrics.dead_letter(DropReason::Invalid));
        assert!(!metrics.dead_letter(DropReason::Invalid));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"writetap_sink_records_total{sink="main"} 3"#,
            r#"writetap_sink_bytes_total{sink="main"} 600"#,
            r#"writetap_sink_batches_total{sink="main"} 1"#,
            r#"writetap_sink_retries_total{sink="main"} 1"#,
            r#"writetap_sink_dropped_records_total{sink="main",reason="too_large"} 2"#,
            r#"writetap_sink_dropped_records_total{sink="main",reason="unknown_topic"} 0"#,
            r#"writetap_sink_dropped_records_total{sink="main",reason="not_authorized"} 0"#,
            r#"writetap_sink_dropped_records_total{sink="main",reason="invalid"} 0"#,
            r#"writetap_sink_dropped_records_total{sink="main",reason="dead_letter_failed"} 0"#,
            r#"writetap_sink_dead_letters_total{sink="main",reason="too_large"} 0"#,
            r#"writetap_sink_dead_letters_total{sink="main",reason="invalid"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
        assert!(text.contains("writetap_sink_last_success_timestamp_seconds{sink=\"main\"} 1"));
    }
}
