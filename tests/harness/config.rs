//! The configuration file of a collector under test.

use std::fmt::Write as _;
use std::path::Path;

use super::{Broker, Engine};

/// The configuration of a collector; each part is YAML, in flow style, without its braces.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `capture`
    pub(crate) capture: String,
    /// `identity`
    pub(crate) identity: String,
    /// `tail`
    pub(crate) tail: String,
    /// `state`; left empty, a directory of the collector's own.
    pub(crate) state: String,
    /// `line`
    pub(crate) line: String,
    /// `sinks`; records on standard output are what [`super::Agent::records`] reads.
    pub(crate) sinks: String,
}

impl Config {
    /// Records of the containers of `engine`, on standard output; all else as it comes.
    pub(crate) fn new(engine: &Engine) -> Self {
        Self::bare(
            format!("docker: {{ address: \"{}\" }}", engine.address()),
            format!("docker_root: \"{}\"", engine.data_root().display()),
        )
    }

    /// Records on standard output, with this `identity` and `tail`; all else as it comes.
    pub(super) fn bare(identity: String, tail: String) -> Self {
        Self {
            capture: String::new(),
            identity,
            tail,
            state: String::new(),
            line: String::new(),
            sinks: "out: { type: console, format: json }".into(),
        }
    }

    /// The same with another `capture`.
    pub(crate) fn capture(self, capture: impl Into<String>) -> Self {
        Self { capture: capture.into(), ..self }
    }

    /// The same with another `identity`.
    pub(crate) fn identity(self, identity: impl Into<String>) -> Self {
        Self { identity: identity.into(), ..self }
    }

    /// The same with more keys of `tail`.
    pub(crate) fn tail(self, tail: &str) -> Self {
        Self { tail: format!("{}, {tail}", self.tail), ..self }
    }

    /// The same with a state directory that others have had, or will have.
    pub(crate) fn state(self, directory: &Path) -> Self {
        Self { state: format!("directory: \"{}\"", directory.display()), ..self }
    }

    /// The same with another `line`.
    pub(crate) fn line(self, line: impl Into<String>) -> Self {
        Self { line: line.into(), ..self }
    }

    /// The same with other `sinks`.
    pub(crate) fn sinks(self, sinks: impl Into<String>) -> Self {
        Self { sinks: sinks.into(), ..self }
    }

    /// The same with a Kafka sink alone: topic `logs-` and the container's name.
    pub(crate) fn kafka(self, broker: &Broker) -> Self {
        let address = broker.address();
        let topic = "logs-{{ name }}";
        self.sinks(format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: \"{topic}\" }}"))
    }

    /// As the file has it.
    pub(crate) fn text(&self, admin: &str, folder: &Path) -> String {
        let Self { capture, identity, tail, state, line, sinks } = self;
        let own = format!("directory: \"{}\"", folder.join("state").display());
        let state = if state.is_empty() { &own } else { state };
        let mut text = String::new();
        for (key, value) in [
            ("capture", capture.as_str()),
            ("identity", identity),
            ("tail", tail),
            ("state", state),
            ("line", line),
            ("sinks", sinks),
            ("admin", &format!("listen: \"{admin}\"")),
        ] {
            if !value.is_empty() {
                // Writing to a string cannot fail.
                let _infallible = writeln!(text, "{key}: {{ {value} }}");
            }
        }
        text
    }
}
