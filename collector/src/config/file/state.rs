//! `state`: what outlives the agent.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::units::Interval;

/// What the agent remembers over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Where it remembers up to where lines are delivered: an absolute path, for this agent alone, or `off`. It is made with
    /// mode 0700 when it is missing. With `off`, each start is as the first. Without any configuration file: `off`.
    pub directory: StateDirectory,
    /// How long a starting agent waits for another one that still has the directory, as in an upgrade; it captures
    /// meanwhile.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "10m"))]
    pub hand_over_timeout: Interval,
}

impl Default for State {
    fn default() -> Self {
        let directory = crate::state::Settings::default().directory;
        Self { directory: StateDirectory::At(directory), hand_over_timeout: Interval::secs(30) }
    }
}

/// A directory, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDirectory {
    /// This one.
    At(PathBuf),
    /// Nothing is remembered.
    Off,
}

/// Why a text is no [`StateDirectory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an absolute path such as `/var/lib/writetap`, or `off`")]
pub struct InvalidStateDirectory;

impl StateDirectory {
    /// The value of `format` in the schema.
    pub(in super::super) const FORMAT: &str = "directory";
    /// Bytes of the longest path that a kernel takes, with its end.
    const MAX_LEN: usize = 4095;
}

impl FromStr for StateDirectory {
    type Err = InvalidStateDirectory;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ if text.starts_with('/') && text.len() <= Self::MAX_LEN => Ok(Self::At(text.into())),
            _ => Err(InvalidStateDirectory),
        }
    }
}

impl fmt::Display for StateDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(path) => path.display().fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

impl Serialize for StateDirectory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StateDirectory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for StateDirectory {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StateDirectory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}
