//! `line`: bytes to lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::{Interval, Size};

/// How bytes become lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// Bytes of the longest line. A longer one is cut there and marked as truncated; the rest is dropped, and counted.
    #[schemars(extend("x-minimum" = "1B", "x-maximum" = "16MiB"))]
    pub max_bytes: Size,
    /// How long a line may wait for its newline before it goes out without.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "10m"))]
    pub idle_flush: Interval,
    /// Who may finish a line that another process began.
    pub partial: Partial,
}

impl Default for Line {
    fn default() -> Self {
        Self { max_bytes: Size::kib(256), idle_flush: Interval::secs(2), partial: Partial::Auto }
    }
}

/// Who may finish a line that another process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// Anyone, when the beginning was short; its own writer, when a full block of 4096 bytes or more ended inside it.
    Auto,
    /// Anyone: whoever writes next to the stream.
    Shared,
    /// Only its own writer.
    PerWriter,
}
