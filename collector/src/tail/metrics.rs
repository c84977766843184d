//! What the stage counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Invalid;

/// One label, `reason`, of a closed list of values.
type ByReason = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters of all logs together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Bytes of log files that became entries, or were skipped.
    pub(super) read_bytes: Counter,
    /// Entries handed over.
    pub(super) entries: Counter,
    invalid_entries: ByReason,
    /// Bytes skipped with invalid entries.
    pub(super) lost_invalid_bytes: Counter,
    /// Bytes of files that were unlinked, or too many, before they were read.
    pub(super) lost_abandoned_bytes: Counter,
    /// Files lost in whole or in part.
    pub(super) lost_files: Counter,
    /// New files under a log's name.
    pub(super) rotations: Counter,
    /// Files that became shorter than what was read of them, or began anew.
    pub(super) truncations: Counter,
    /// Files of logs held open.
    pub(super) open_files: Gauge,
    /// NUL bytes before entries: holes of a truncated file.
    pub(super) skipped_nul_bytes: Counter,
    watch_errors: ByReason,
}

/// What kept the watch from working; the value of `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchError {
    /// The kernel refused a watch, or reading events.
    Inotify,
    /// Events were dropped: everything was looked at again.
    Overflow,
    /// A log's directory or file could not be read.
    Files,
    /// Nobody took the containers that were found; they are told again later.
    Discoveries,
}

impl WatchError {
    const ALL: [Self; 4] = [Self::Inotify, Self::Overflow, Self::Files, Self::Discoveries];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Inotify => "inotify",
            Self::Overflow => "overflow",
            Self::Files => "files",
            Self::Discoveries => "discoveries",
        }
    }
}

impl Metrics {
    /// Adds the stage's metrics to `registry`, all at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("tail");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let read_bytes = counter("read_bytes", "Bytes of log files read");
        let entries = counter("entries", "Entries of log files read");
        let lost_files =
            counter("lost_files", "Log files lost in whole or in part before they were read");
        let truncations = counter("truncations", "Log files that were truncated");
        let skipped_nul_bytes = counter("skipped_nul_bytes", "NUL bytes in holes of log files");
        let rotations = counter("rotations", "Log files that followed another one");
        let open_files = Gauge::default();
        registry.register("open_files", "Log files held open", open_files.clone());
        let mut family = |name: &str, help: &str, reasons: &[&'static str]| {
            let family = ByReason::default();
            registry.register(name, help, family.clone());
            for reason in reasons {
                family.get_or_create_owned(&[("reason", *reason)]);
            }
            family
        };
        let invalid = "Entries skipped: not of the file's format, too long, or cut off";
        let invalid_entries =
            family("invalid_entries", invalid, &Invalid::ALL.map(Invalid::as_str));
        let lost = "Bytes of log files lost: of invalid entries, or of files given up unread";
        let lost_bytes = family("lost_bytes", lost, &[]);
        let watch = "Failures to watch log files; a slow rescan makes up for them";
        let watch_errors = family("watch_errors", watch, &WatchError::ALL.map(WatchError::as_str));
        Self {
            read_bytes,
            entries,
            invalid_entries,
            lost_invalid_bytes: lost_bytes.get_or_create_owned(&[("reason", "invalid")]),
            lost_abandoned_bytes: lost_bytes.get_or_create_owned(&[("reason", "abandoned")]),
            lost_files,
            rotations,
            truncations,
            open_files,
            skipped_nul_bytes,
            watch_errors,
        }
    }

    /// An entry is skipped.
    pub(super) fn invalid(&self, reason: Invalid) {
        self.invalid_entries.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    /// The watch failed. Returns whether it is the first time for this reason, which is to be logged.
    pub(super) fn watch_failed(&self, reason: WatchError) -> bool {
        self.watch_errors.get_or_create(&[("reason", reason.as_str())]).inc() == 0
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::{Metrics, WatchError};
    use crate::tail::Invalid;

    #[test]
    fn shows_every_series_from_the_start() {
        let mut registry = Registry::with_prefix("writetap");
        let metrics = Metrics::register(&mut registry);
        metrics.invalid(Invalid::Time);
        assert!(metrics.watch_failed(WatchError::Overflow));
        assert!(!metrics.watch_failed(WatchError::Overflow));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        samples.sort_unstable();
        assert_eq!(
            samples,
            [
                "writetap_tail_entries_total 0",
                "writetap_tail_invalid_entries_total{reason=\"cut\"} 0",
                "writetap_tail_invalid_entries_total{reason=\"stream\"} 0",
                "writetap_tail_invalid_entries_total{reason=\"syntax\"} 0",
                "writetap_tail_invalid_entries_total{reason=\"time\"} 1",
                "writetap_tail_invalid_entries_total{reason=\"too_long\"} 0",
                "writetap_tail_lost_bytes_total{reason=\"abandoned\"} 0",
                "writetap_tail_lost_bytes_total{reason=\"invalid\"} 0",
                "writetap_tail_lost_files_total 0",
                "writetap_tail_open_files 0",
                "writetap_tail_read_bytes_total 0",
                "writetap_tail_rotations_total 0",
                "writetap_tail_skipped_nul_bytes_total 0",
                "writetap_tail_truncations_total 0",
                "writetap_tail_watch_errors_total{reason=\"discoveries\"} 0",
                "writetap_tail_watch_errors_total{reason=\"files\"} 0",
                "writetap_tail_watch_errors_total{reason=\"inotify\"} 0",
                "writetap_tail_watch_errors_total{reason=\"overflow\"} 2",
            ]
        );
    }
}
