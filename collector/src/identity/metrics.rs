//! What the stage counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts of the stage; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    containers: Family<State, Gauge>,
    runtime_up: Family<Runtime, Gauge>,
    requests: Family<Operation, Counter>,
    request_errors: Family<Failure, Counter>,
    reconnects: Family<Runtime, Counter>,
    resolve_refused: Counter,
    not_asked: Counter,
    unexplained: Counter,
    forgotten: Family<Reason, Counter>,
    left_out: Counter,
    scan_left_out: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Runtime {
    runtime: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    runtime: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    runtime: &'static str,
    operation: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    /// The stage's metrics, listed in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            containers,
            runtime_up,
            requests,
            request_errors,
            reconnects,
            resolve_refused,
            not_asked,
            unexplained,
            forgotten,
            left_out,
            scan_left_out,
        } = metrics.clone();
        registry.register("identity_containers", "Containers remembered, by state", containers);
        registry.register(
            "identity_runtime_up",
            "Whether the runtime is connected and has listed its containers",
            runtime_up,
        );
        registry.register("identity_requests", "Requests sent to a runtime", requests);
        registry.register(
            "identity_request_errors",
            "Requests and events of a runtime without a usable answer, by reason",
            request_errors,
        );
        registry.register(
            "identity_reconnects",
            "Attempts to connect to a runtime again",
            reconnects,
        );
        registry.register(
            "identity_resolve_refused",
            "Container ids not taken because the queue was full; they are asked for again",
            resolve_refused,
        );
        registry.register(
            "identity_not_asked",
            "Container ids that a runtime was not asked for because too many wait for it",
            not_asked,
        );
        registry.register(
            "identity_unexplained",
            "Container ids answered with: no runtime explains it",
            unexplained,
        );
        registry.register("identity_forgotten", "Containers forgotten, by reason", forgotten);
        registry.register(
            "identity_description_left_out",
            "Names and labels not kept because a container's description was too long",
            left_out,
        );
        registry.register(
            "identity_scan_left_out",
            "Cgroups and process lists that a scan did not look at, by reason",
            scan_left_out,
        );
        metrics
    }

    pub(super) fn containers(&self, state: &'static str, count: usize) {
        self.containers.get_or_create(&State { state }).set(count as i64);
    }

    pub(super) fn runtime_up(&self, runtime: &'static str, up: bool) {
        self.runtime_up.get_or_create(&Runtime { runtime }).set(up.into());
    }

    pub(super) fn request(&self, runtime: &'static str, operation: &'static str) {
        self.requests.get_or_create(&Operation { runtime, operation }).inc();
    }

    pub(super) fn request_error(
        &self,
        runtime: &'static str,
        operation: &'static str,
        reason: &'static str,
    ) {
        self.request_errors.get_or_create(&Failure { runtime, operation, reason }).inc();
    }

    pub(super) fn reconnect(&self, runtime: &'static str) {
        self.reconnects.get_or_create(&Runtime { runtime }).inc();
    }

    pub(super) fn resolve_refused(&self) {
        self.resolve_refused.inc();
    }

    pub(super) fn not_asked(&self) {
        self.not_asked.inc();
    }

    pub(super) fn unexplained(&self) {
        self.unexplained.inc();
    }

    pub(super) fn forgotten(&self, reason: &'static str) {
        self.forgotten.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn left_out(&self, count: usize) {
        self.left_out.inc_by(count as u64);
    }

    pub(super) fn scan_left_out(&self, reason: &'static str) {
        self.scan_left_out.get_or_create(&Reason { reason }).inc();
    }
}
