//! The file as it is written: what every key means, its unit, default and bounds.
//!
//! These types are the only place that says so. The JSON Schema, the checks of structure and bounds, the reference page
//! and the annotated example are all made from them. Bounds of sizes and durations stand in `x-minimum` and `x-maximum`.

mod capture;
mod identity;
mod kafka;
mod line;
mod operation;
mod sink;
mod state;
mod tail;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use capture::{Attach, Capture, Daemon};
pub use identity::{Docker, Enabled, Identity};
pub use kafka::{Acks, Codec, DeadLetter, Kafka, Mechanism, Sasl, Tls};
pub use line::{Line, Partial};
pub use operation::{Admin, InvalidListen, Level, Listen, Log, LogFormat, Shutdown};
pub use sink::{
    Buffer, BufferType, Compression, Console, ConsoleFormat, Discard, File, FileFormat, Rotate,
    Sink, WhenFull,
};
pub use state::{InvalidStateDirectory, State, StateDirectory};
pub use tail::{Start, Tail};

/// Configuration of `writetap run`. Every section may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// How the probe watches writes, and what it may take of the machine.
    pub capture: Capture,
    /// Reading the runtimes' log files: what the probe does not see, or did not while the agent was away.
    pub tail: Tail,
    /// How writes are attributed to containers.
    pub identity: Identity,
    /// How bytes become lines.
    pub line: Line,
    /// Where the lines go, by name; every sink gets every line. A name begins with a letter, and has at most 63
    /// letters, digits, `_` and `-`. Without this section: one console sink called `stdout`. At most 16.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub sinks: BTreeMap<String, Sink>,
    /// What the agent remembers over a restart.
    pub state: State,
    /// The HTTP address for metrics and health.
    pub admin: Admin,
    /// The agent's own log, on stderr.
    pub log: Log,
    /// How the agent ends.
    pub shutdown: Shutdown,
}

impl Default for Document {
    fn default() -> Self {
        let stdout = ("stdout".to_owned(), Sink::Console(Console::default()));
        Self {
            capture: Capture::default(),
            tail: Tail::default(),
            identity: Identity::default(),
            line: Line::default(),
            sinks: BTreeMap::from([stdout]),
            state: State::default(),
            admin: Admin::default(),
            log: Log::default(),
            shutdown: Shutdown::default(),
        }
    }
}
