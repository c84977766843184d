//! What the stage is told.

use std::time::Duration;

/// How runtimes are asked, and how much is remembered. No duration is longer than a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where Docker listens: `unix:///path`, `tcp://host:port` or `http://host:port`. `None`: Docker is not asked.
    pub docker: Option<String>,
    /// Whether the stage is not ready while nobody listens there.
    pub is_docker_required: bool,
    /// The longest wait for the whole answer to a request. Below a second, the event stream may still take one second
    /// to open.
    pub request_timeout: Duration,
    /// Requests under way at once, the event stream not counted. At least 1.
    pub requests: usize,
    /// Wait before the first attempt to connect again; doubled with each further one. Also the least time between two
    /// attempts.
    pub retry_min: Duration,
    /// The longest wait between attempts to connect. Not below `retry_min`.
    pub retry_max: Duration,
    /// Time between two full lists. More than zero.
    pub reconcile_interval: Duration,
    /// The longest wait for a runtime to explain an id, from [`super::Handle::resolve`] to
    /// [`super::Change::Unexplained`].
    pub resolve_timeout: Duration,
    /// How far a runtime's answers and events may lag behind each other: that long an id it has no container for may
    /// still be explained by an event, and an event stands against a list. Not above `resolve_timeout`.
    pub settle: Duration,
    /// Containers remembered. At the limit the longest removed one is forgotten, then the longest stopped one; never a
    /// live one: what has no room then is asked for again when it is needed.
    pub containers: usize,
    /// How long a removed container is remembered.
    pub grace: Duration,
    /// Bytes of name, image and labels kept of one container, in that order; what has no room is left out and counted.
    pub description_bytes: usize,
    /// Length of each queue of the stage, and number of ids resolved at once. At least 1.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            docker: Some("unix:///var/run/docker.sock".to_owned()),
            is_docker_required: false,
            request_timeout: Duration::from_secs(10),
            requests: 4,
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(10),
            reconcile_interval: Duration::from_mins(1),
            resolve_timeout: Duration::from_secs(15),
            settle: Duration::from_secs(1),
            containers: 4096,
            grace: Duration::from_mins(1),
            description_bytes: 64 << 10,
            queue: 1024,
        }
    }
}
