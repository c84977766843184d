//! What becomes of checkpoints.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabel {
    result: &'static str,
}

/// What a start found; the value of `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadResult {
    /// The newest checkpoint.
    Newest,
    /// The one before it: the newest is missing or unusable.
    Previous,
    /// None, since there never was one.
    Absent,
    /// None that can be used.
    Unusable,
}

impl LoadResult {
    const ALL: [Self; 4] = [Self::Newest, Self::Previous, Self::Absent, Self::Unusable];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Previous => "previous",
            Self::Absent => "absent",
            Self::Unusable => "unusable",
        }
    }
}

/// Counters of the state directory.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) stored: Counter,
    pub(super) errors: Counter,
    loads: Family<LoadLabel, Counter>,
}

impl Metrics {
    /// Adds them to `registry`, whose prefix is the agent's.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for result in LoadResult::ALL {
            metrics.load(result);
        }
        let Self { stored, errors, loads } = metrics.clone();
        registry.register("checkpoints", "Checkpoints stored", stored);
        registry.register("checkpoint_errors", "Checkpoints that could not be stored", errors);
        registry.register("checkpoint_loads", "What starts found in the state directory", loads);
        metrics
    }

    pub(super) fn loaded(&self, result: LoadResult) {
        self.load(result).inc();
    }

    fn load(&self, result: LoadResult) -> Counter {
        self.loads.get_or_create_owned(&LoadLabel { result: result.as_str() })
    }
}
