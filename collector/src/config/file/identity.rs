//! `identity`: who wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::{Interval, Size};

/// How writes are attributed to containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// The Docker Engine to ask for names, images and labels.
    pub docker: Docker,
    /// How long lines of a container that no runtime knows are held before they go out with the container id alone.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "5m"))]
    pub hold_timeout: Interval,
    /// Bytes held for one such container; more of them are dropped, and counted.
    #[schemars(extend("x-minimum" = "0B", "x-maximum" = "64MiB"))]
    pub hold_bytes_per_container: Size,
    /// Bytes held for all such containers together.
    #[schemars(extend("x-minimum" = "0B", "x-maximum" = "4GiB"))]
    pub hold_bytes: Size,
    /// How often the list of containers is compared with the runtime's, besides following its events.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub reconcile_interval: Interval,
    /// How long a container that ended is remembered, for lines still on their way; its metrics go with it.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub grace: Interval,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            docker: Docker::default(),
            hold_timeout: Interval::secs(10),
            hold_bytes_per_container: Size::mib(1),
            hold_bytes: Size::mib(32),
            reconcile_interval: Interval::secs(30),
            grace: Interval::secs(60),
        }
    }
}

/// The Docker Engine to ask for names, images and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// Whether to ask it.
    pub enabled: Enabled,
    /// Where it listens: a Unix socket as `unix:///path`.
    /// Default: the environment's `DOCKER_HOST`, else `unix:///var/run/docker.sock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), example = "unix:///var/run/docker.sock")]
    pub address: Option<String>,
}

impl Default for Docker {
    fn default() -> Self {
        Self { enabled: Enabled::Auto, address: None }
    }
}

/// Whether a runtime is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Enabled {
    /// When it answers; its absence is no fault, unless `address` is set here.
    Auto,
    /// Always; its absence makes the agent not ready.
    On,
    /// Never.
    Off,
}
