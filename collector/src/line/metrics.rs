//! What the stage counts: every line that is not as it was written.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of all assemblers of the agent together. A truncated line counts once.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Lines cut at `max_bytes`.
    pub(super) truncated_too_long: Counter,
    /// Lines that a loss in the source hit, or may have hit.
    pub(super) truncated_lost: Counter,
    /// Bytes of too long lines past `max_bytes`.
    pub(super) discarded_bytes: Counter,
    /// Lines without a newline: nobody wrote on for `idle_flush`.
    pub(super) flushed_idle: Counter,
    /// Lines without a newline: more than `max_partial_writers` were open.
    pub(super) flushed_crowded: Counter,
    /// Lines without a newline: the stream ended.
    pub(super) flushed_ended: Counter,
}

/// One label, `reason`, of a closed list of values.
type ByReason = Family<[(&'static str, &'static str); 1], Counter>;

impl Metrics {
    /// Adds the stage's metrics to `registry`, all at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let truncated = ByReason::default();
        registry.register(
            "line_truncated",
            "Lines of which bytes are missing: too long, or hit by a loss",
            truncated.clone(),
        );
        let discarded_bytes = Counter::default();
        registry.register(
            "line_discarded_bytes",
            "Bytes of lines past the limit of their length",
            discarded_bytes.clone(),
        );
        let flushed = ByReason::default();
        registry.register(
            "line_flushed",
            "Lines emitted before their newline: idle, crowded out by other writers, or ended",
            flushed.clone(),
        );
        let of = |family: &ByReason, reason| family.get_or_create_owned(&[("reason", reason)]);
        Self {
            truncated_too_long: of(&truncated, "too_long"),
            truncated_lost: of(&truncated, "lost"),
            discarded_bytes,
            flushed_idle: of(&flushed, "idle"),
            flushed_crowded: of(&flushed, "crowded"),
            flushed_ended: of(&flushed, "ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::Metrics;

    #[test]
    fn shows_every_series_from_the_start() {
        let mut registry = Registry::with_prefix("writetap");
        let metrics = Metrics::register(&mut registry);
        metrics.truncated_lost.inc();
        metrics.discarded_bytes.inc_by(7);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        samples.sort_unstable();
        assert_eq!(
            samples,
            [
                "writetap_line_discarded_bytes_total 7",
                "writetap_line_flushed_total{reason=\"crowded\"} 0",
                "writetap_line_flushed_total{reason=\"ended\"} 0",
                "writetap_line_flushed_total{reason=\"idle\"} 0",
                "writetap_line_truncated_total{reason=\"lost\"} 1",
                "writetap_line_truncated_total{reason=\"too_long\"} 0",
            ]
        );
    }
}
