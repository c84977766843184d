//! What the seams count, over all streams.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counts of all seams.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Streams that went over from capture to their log file.
    pub(super) gaps: Counter,
    /// Streams that went over from their log file to capture.
    pub(super) joins: Counter,
    /// Lines that came from a log file.
    pub(super) lines: Counter,
    /// Their bytes.
    pub(super) bytes: Counter,
    /// Lines of a log file that were passed over, since they were delivered before.
    pub(super) passed_over: Counter,
    /// Lines whose place in their log file was found.
    pub(super) anchors: Counter,
    /// Places to read on from that were not there any more.
    lost_places: Counter,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let counters: [(&str, &str, &Counter); 7] = [
            ("seam_gaps", "Streams that went over from capture to their log file", &metrics.gaps),
            ("seam_joins", "Streams that went over from their log file to capture", &metrics.joins),
            ("backfilled_lines", "Lines that came from a log file", &metrics.lines),
            ("backfilled_bytes", "Bytes of the lines that came from a log file", &metrics.bytes),
            (
                "seam_passed_over_lines",
                "Lines of a log file that were captured and delivered before",
                &metrics.passed_over,
            ),
            ("seam_anchors", "Captured lines found in their log file", &metrics.anchors),
            (
                "seam_lost_places",
                "Streams whose log file was gone when it was to be read on",
                &metrics.lost_places,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    /// Counts a place to read on from that is not there any more.
    pub fn place_lost(&self) {
        self.lost_places.inc();
    }
}
