//! `tail`: log files.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::Interval;

/// Reading the runtimes' log files: what the probe does not see, or did not while the agent was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tail {
    /// Whether they are read at all. With `false`, what the probe misses is lost, and counted.
    pub enabled: bool,
    /// From where a log is read that was there before the agent's very first start.
    pub start: Start,
    /// Docker's data root; the logs of its containers are below. Absolute.
    #[schemars(length(min = 1, max = 4095))]
    pub docker_root: PathBuf,
    /// Where the kubelet links the logs of all containers. Absolute.
    #[schemars(length(min = 1, max = 4095))]
    pub cri_links: PathBuf,
    /// Files of one log held open besides its newest: rotated, and deleted perhaps. Past it the oldest is closed, and what
    /// was not read of it is lost if it is deleted, and counted.
    #[schemars(range(min = 0, max = 1024))]
    pub max_deleted_files: u32,
    /// The same for all logs together; the log that holds the most gives way.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_open_files: u32,
    /// How often every log is looked at, besides following its events.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub rescan_interval: Interval,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            enabled: true,
            start: Start::End,
            docker_root: "/var/lib/docker".into(),
            cri_links: "/var/log/containers".into(),
            max_deleted_files: 16,
            max_open_files: 1024,
            rescan_interval: Interval::secs(5),
        }
    }
}

/// From where a log is read that was there before the agent's very first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// From its first line.
    Beginning,
    /// From its end: only what is written from then on. Logs of containers that come later are read from their beginning.
    End,
}
