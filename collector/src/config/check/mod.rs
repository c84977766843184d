//! [`Document`] → [`Config`]: the relations between fields, and what defaults depend on.
//!
//! Structure, types and bounds are right by now. Touches nothing outside: whether a file or a broker is there, its user
//! finds out.

mod buffer;
mod capture;
mod identity;
mod kafka;
mod line;
mod sink;
mod state;
mod tail;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::file::{Attach, Document, Listen, Log};
use super::interpolate::Environment;
use super::problem::{self, Problem};
use super::tree::Node;

pub use identity::Identity;
pub use sink::Sink;
pub use tail::Tail;

/// A configuration that is complete and in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which hooks the probe uses, if any.
    pub attach: Attach,
    /// Whether the agent does not start without a probe.
    pub is_capture_required: bool,
    /// The probe.
    pub capture: crate::capture::Settings,
    /// Log files.
    pub tail: Tail,
    /// Who wrote.
    pub identity: Identity,
    /// Bytes to lines.
    pub line: crate::line::Settings,
    /// Where the lines go; at least one.
    pub sinks: Vec<Sink>,
    /// What outlives the agent, if anything does.
    pub state: Option<crate::state::Settings>,
    /// How long to wait for another agent that still has the state directory.
    pub hand_over_timeout: Duration,
    /// Whether that agent is told to end. Not in the file: it is said once, by who replaces it.
    pub is_taking_over: bool,
    /// Where metrics and health are served.
    pub admin: Option<SocketAddr>,
    /// The agent's own log.
    pub log: Log,
    /// How long the sinks may take at the end.
    pub shutdown_deadline: Duration,
    /// What all this was made from, defaults filled in.
    pub document: Document,
}

/// Makes the configuration of a document; `None` when `problems` got more.
pub(super) fn check(
    document: Document,
    root: &Node,
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let before = problems.len();
    let mut findings = Findings { root, problems };
    let config = Config {
        attach: document.capture.attach,
        is_capture_required: document.capture.required,
        capture: capture::check(&document, &mut findings),
        tail: tail::check(&document.tail, &mut findings),
        identity: identity::check(&document.identity, environment, &mut findings),
        line: line::check(&document.line),
        sinks: sink::check(&document, &mut findings),
        state: state::check(&document.state),
        hand_over_timeout: document.state.hand_over_timeout.duration(),
        is_taking_over: false,
        admin: match document.admin.listen {
            Listen::At(address) => Some(address),
            Listen::Off => None,
        },
        log: document.log.clone(),
        shutdown_deadline: document.shutdown.deadline.duration(),
        document,
    };
    (problems.len() == before).then_some(config)
}

/// Collects problems, and finds the place of the keys they are about.
struct Findings<'a> {
    root: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl Findings<'_> {
    /// Reports the value at `path`, or what is nearest above when it has its default.
    fn add(&mut self, path: &[&str], message: impl Into<String>) {
        let position = self.root.nearest(path).position;
        self.problems.push(Problem {
            position,
            path: problem::path(path),
            message: message.into(),
        });
    }

    /// Reports the value at `path` unless it is an absolute path.
    fn require_absolute(&mut self, path: &[&str], value: &Path) {
        if !value.is_absolute() {
            self.add(path, "must be absolute: begin with `/`");
        }
    }
}
