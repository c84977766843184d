//! What went wrong with an engine, as a metric label and a log line.

use std::error::Error as _;
use std::io;

use bollard::errors::Error as ClientError;

use super::{Address, RUNTIME};
use crate::identity::Metrics;
use crate::identity::report::Outage;

/// How much of an engine's words goes into a log line.
const DETAIL_CHARS: usize = 200;

/// What was asked of the engine; a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Is it there?
    Greet,
    /// The stream of events.
    Follow,
    /// All containers.
    List,
    /// One container.
    Inspect,
}

/// Why there is no usable answer; a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nobody listens at the address.
    Absent,
    /// The address may not be connected to.
    Denied,
    /// The connection broke or ended.
    Closed,
    /// No answer in time.
    Timeout,
    /// There is no such container.
    NotFound,
    /// The engine says that it failed.
    Status,
    /// The answer is not what the API promises.
    Malformed,
}

/// An operation without a usable answer.
#[derive(Debug, thiserror::Error)]
#[error("docker request `{}` failed: {}{detail}", operation.as_str(), reason.as_str())]
pub(super) struct Failure {
    operation: Operation,
    /// Why it was in vain.
    pub(super) reason: Reason,
    /// `: ` and the client's words, if it has any.
    detail: String,
}

impl Operation {
    /// The value of the label `operation`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Follow => "follow",
            Self::List => "list",
            Self::Inspect => "inspect",
        }
    }
}

impl Reason {
    /// The value of the label `reason`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::NotFound => "not_found",
            Self::Status => "status",
            Self::Malformed => "malformed",
        }
    }

    /// The reason of a client's error.
    pub(super) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::SocketNotFoundError(_) => Self::Absent,
            ClientError::RequestTimeoutError => Self::Timeout,
            ClientError::DockerResponseServerError { status_code: 404, .. } => Self::NotFound,
            ClientError::DockerResponseServerError { .. } => Self::Status,
            ClientError::JsonDataError { .. }
            | ClientError::JsonSerdeError { .. }
            | ClientError::APIVersionParseError {}
            | ClientError::StrParseError { .. } => Self::Malformed,
            other => match io_kind(other) {
                Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Self::Absent,
                Some(io::ErrorKind::PermissionDenied) => Self::Denied,
                _ => Self::Closed,
            },
        }
    }
}

impl Failure {
    /// Counts that `operation` was in vain.
    pub(super) fn new(metrics: &Metrics, operation: Operation, reason: Reason) -> Self {
        metrics.request_error(RUNTIME, operation.as_str(), reason.as_str());
        Self { operation, reason, detail: String::new() }
    }

    /// Counts that `operation` ended in an error of the client, whose words may be the engine's: any text, of any
    /// length.
    pub(super) fn of(metrics: &Metrics, operation: Operation, error: &ClientError) -> Self {
        let words: String = error.to_string().chars().take(DETAIL_CHARS).collect();
        Self {
            detail: format!(": {}", words.escape_debug()),
            ..Self::new(metrics, operation, Reason::of(error))
        }
    }

    /// What it means for the whole runtime.
    pub(super) const fn outage(&self) -> Outage {
        match self.reason {
            Reason::Absent => Outage::Absent,
            Reason::Denied => Outage::Denied,
            _ => Outage::Failing,
        }
    }

    /// Tells the operator, with the remedy.
    pub(super) fn log(&self, address: &Address) {
        match self.outage() {
            Outage::Absent => {
                tracing::info!(%address, "no docker engine listens; looking for it now and then");
            }
            Outage::Denied => tracing::warn!(
                %address,
                "docker's socket may not be used: run as root or join the socket's group"
            ),
            Outage::Failing => tracing::warn!(%address, error = %self, "connecting again"),
        }
    }
}

/// The kind of the I/O error that an error comes from.
fn io_kind(error: &ClientError) -> Option<io::ErrorKind> {
    // This one shows itself as the I/O error that it holds, and hides it as a source.
    if let ClientError::IOError { err } = error {
        return Some(err.kind());
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{ClientError, DETAIL_CHARS, Failure, Metrics, Operation, Outage, Reason};

    #[test]
    fn tells_who_is_not_there_from_who_may_not_be_asked() {
        let of = |error: ClientError| {
            let failure = Failure::of(&Metrics::default(), Operation::Greet, &error);
            (failure.reason, failure.outage())
        };
        let io = |kind: io::ErrorKind| of(ClientError::from(io::Error::from(kind)));
        let status = |status_code| {
            of(ClientError::DockerResponseServerError { status_code, message: String::new() })
        };
        let gone = ClientError::SocketNotFoundError("/run/docker.sock".into());
        assert_eq!(of(gone), (Reason::Absent, Outage::Absent));
        assert_eq!(io(io::ErrorKind::ConnectionRefused), (Reason::Absent, Outage::Absent));
        assert_eq!(io(io::ErrorKind::PermissionDenied), (Reason::Denied, Outage::Denied));
        assert_eq!(io(io::ErrorKind::BrokenPipe), (Reason::Closed, Outage::Failing));
        assert_eq!(status(404), (Reason::NotFound, Outage::Failing));
        assert_eq!(status(500), (Reason::Status, Outage::Failing));
        let timeout = of(ClientError::RequestTimeoutError);
        assert_eq!(timeout, (Reason::Timeout, Outage::Failing));
    }

    #[test]
    fn says_what_was_asked_and_why_it_was_in_vain() {
        let said = |message: String| {
            let error = ClientError::DockerResponseServerError { status_code: 500, message };
            Failure::of(&Metrics::default(), Operation::List, &error).to_string()
        };
        let words = "docker request `list` failed: status: Docker responded with status code 500: ";
        assert_eq!(said("a\nb".into()), format!("{words}a\\nb"));
        let room = DETAIL_CHARS - "Docker responded with status code 500: ".len();
        assert_eq!(said("x".repeat(room + 1)), format!("{words}{}", "x".repeat(room)));
    }
}
