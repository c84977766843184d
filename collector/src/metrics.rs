//! Every stage's metrics in one registry. Defines none itself.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::{buffer, capture, identity, line, seam, sink, state, tail};

/// What all names begin with.
const PREFIX: &str = "writetap";

/// The stages' metrics, in the order in which data passes them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reading the ring.
    pub capture: capture::Metrics,
    /// Naming containers.
    pub identity: identity::Metrics,
    /// Reading log files.
    pub tail: tail::Metrics,
    /// Making lines.
    pub line: line::Metrics,
    /// Joining what is captured and what is read.
    pub seam: seam::Metrics,
    /// Waiting for sinks.
    pub buffer: buffer::Metrics,
    /// Remembering what is delivered.
    pub state: state::Metrics,
    /// Delivering.
    pub sink: sink::Metrics,
}

impl Metrics {
    /// Makes a registry with every stage's metrics in it.
    pub fn new() -> (Registry, Self) {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "The version that runs; always 1", build);
        let metrics = Self {
            capture: capture::Metrics::register(&mut registry),
            identity: identity::Metrics::register(&mut registry),
            tail: tail::Metrics::register(&mut registry),
            line: line::Metrics::register(&mut registry),
            seam: seam::Metrics::register(&mut registry),
            buffer: buffer::Metrics::register(&mut registry),
            state: state::Metrics::register(&mut registry),
            sink: sink::Metrics::register(&mut registry),
        };
        (registry, metrics)
    }
}
