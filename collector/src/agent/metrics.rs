//! What the joining of the stages counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts of the agent itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    /// Lines made of captured bytes.
    pub(super) lines: Counter,
    /// Bytes that were captured and dropped because their container was not named in time and there was no room left.
    pub(super) refused_bytes: Counter,
    /// Bytes that wait for their container's name.
    pub(super) held_bytes: Gauge,
    /// Containers that no runtime explained in time; their lines carry the id alone.
    pub(super) unexplained: Counter,
    /// Bytes of a cgroup that is no container any more.
    pub(super) unattributed_bytes: Counter,
    /// Regular files that containers were seen to write.
    pub(super) discovered_files: Counter,
    /// Containers and files the agent could not begin to watch.
    pub(super) watch_errors: Counter,
    /// Failures to list the logs of the runtimes.
    pub(super) list_errors: Counter,
    /// Reloads of the configuration that took effect.
    pub(super) reloads: Counter,
    /// Reloads that were refused; the old configuration stayed.
    pub(super) refused_reloads: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let counters: [(&str, &str, &Counter); 9] = [
            ("lines", "Lines made of captured bytes", &metrics.lines),
            (
                "held_dropped_bytes",
                "Captured bytes dropped because their container had no name and no room was left",
                &metrics.refused_bytes,
            ),
            (
                "unexplained_containers",
                "Containers that no runtime explained in time",
                &metrics.unexplained,
            ),
            (
                "unattributed_bytes",
                "Captured bytes of a cgroup that is no container any more",
                &metrics.unattributed_bytes,
            ),
            (
                "discovered_files",
                "Regular files that containers were seen to write for the first time",
                &metrics.discovered_files,
            ),
            ("watch_errors", "Containers that could not be watched", &metrics.watch_errors),
            ("log_list_errors", "Failures to list the logs of the runtimes", &metrics.list_errors),
            ("config_reloads", "Reloads of the configuration that took effect", &metrics.reloads),
            (
                "config_refused_reloads",
                "Reloads that were refused; the old configuration stayed",
                &metrics.refused_reloads,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "held_bytes",
            "Captured bytes that wait for their container's name",
            metrics.held_bytes.clone(),
        );
        metrics
    }
}
