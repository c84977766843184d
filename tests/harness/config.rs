//! The configuration file of a collector under test.

use std::fmt::Write as _;

use super::{Broker, Engine};

/// The configuration of a collector; each part is YAML, in flow style, without its braces.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `capture`
    pub(crate) capture: String,
    /// `identity`
    pub(crate) identity: String,
    /// `line`
    pub(crate) line: String,
    /// `sinks`; records on standard output are what [`super::Agent::records`] reads.
    pub(crate) sinks: String,
}

impl Config {
    /// Records of the containers of `engine`, on standard output; all else as it comes.
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            capture: String::new(),
            identity: format!("docker: {{ address: \"{}\" }}", engine.address()),
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
    pub(crate) fn text(&self, admin: &str) -> String {
        let Self { capture, identity, line, sinks } = self;
        let mut text = String::new();
        for (key, value) in [
            ("capture", capture.as_str()),
            ("identity", identity),
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
