//! The containers of this node, as the agent would see them; for `writetap containers`.

use std::collections::HashMap;
use std::time::Duration;

use collector_ebpf::FileId;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use super::{Error, present};
use crate::capture::Stdio;
use crate::config::Config;
use crate::config::file::Attach;
use crate::identity::{self, Change, Identity};
use crate::record::{Container, ContainerId};
use crate::tail::{self, Located};

/// The longest wait for the runtimes' answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container of this node and how its output is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The container.
    pub container: Container,
    /// How its output is read, or why it is not.
    pub capture: String,
}

/// The containers that run on this node now.
pub fn containers(config: &Config) -> Result<Vec<Listed>, Error> {
    let runtime = super::runtime()?;
    let metrics = identity::Metrics::register(&mut Registry::default());
    let found = present::find(&metrics).map_err(Error::Scan)?;
    let ids: Vec<ContainerId> = found.iter().map(|found| found.container).collect();
    let known = runtime.block_on(describe(config, metrics, &ids))?;
    let has_daemon = config.attach != Attach::Off && config.capture.daemon.is_some();
    let list = found.iter().map(|found| Listed {
        container: known.get(&found.container).cloned().unwrap_or_else(|| Container {
            runtime: found.runtime,
            ..Container::unexplained(found.container)
        }),
        capture: reading(config, &found.container, present::stdio(found).map_or(UNKNOWN, way))
            + if has_daemon { "; what nobody reads by the probe" } else { "" },
    });
    Ok(list.collect())
}

async fn describe(
    config: &Config,
    metrics: identity::Metrics,
    ids: &[ContainerId],
) -> Result<HashMap<ContainerId, Container>, Error> {
    let (handle, mut changes) =
        Identity::start(config.identity.stage.clone(), metrics).map_err(Error::Identity)?;
    let mut known = HashMap::new();
    for id in ids {
        // The queue is longer than a node's containers; who does not fit stays nameless here.
        let _full = handle.resolve(*id);
    }
    let mut open: Vec<ContainerId> = ids.to_vec();
    let answers = async {
        while !open.is_empty() {
            match changes.recv().await {
                Some(Change::Known(container)) => {
                    open.retain(|id| *id != container.id);
                    known.insert(container.id, Container::clone(&container));
                }
                Some(Change::Unexplained(id)) => open.retain(|open| *open != id),
                Some(Change::Gone(_)) => {}
                None => break,
            }
        }
    };
    let _late = timeout(PATIENCE, answers).await;
    Ok(known)
}

/// How a container is read: by the probe in this `way`, or from its log.
fn reading(config: &Config, id: &ContainerId, way: &str) -> String {
    let is_captured = config.attach != Attach::Off && way.starts_with(PROBE);
    let log = match tail::locate(&config.tail.settings, id) {
        _ if !config.tail.enabled => Err("tail.enabled is false"),
        Located::Log(log) => Ok(log.path),
        Located::Unsupported("local") => Err("Docker's driver `local` is not read; use json-file"),
        Located::Unsupported(_) => Err("its logging driver is not read"),
        Located::Absent => Err("it has no log file"),
    };
    match (is_captured, log) {
        (true, Ok(log)) => format!("{way}, gaps from {}", log.display()),
        (true, Err(why)) => format!("{way}, gaps are lost: {why}"),
        (false, Ok(log)) if config.attach == Attach::Off => {
            format!("log file {} (capture.attach is off)", log.display())
        }
        (false, Ok(log)) => format!("log file {} ({way})", log.display()),
        // Whoever may not look at the container may not look for its log either.
        (false, Err(_)) if way == UNKNOWN => UNKNOWN.to_owned(),
        (false, Err(why)) if config.attach == Attach::Off => {
            format!("not read: capture.attach is off, and {why}")
        }
        (false, Err(why)) => format!("{way}; {why}"),
    }
}

/// What is captured begins so.
const PROBE: &str = "probe";

const UNKNOWN: &str = "unknown: its stdout and stderr cannot be looked at; run as root";

fn way(stdio: Stdio) -> &'static str {
    let none = FileId::default();
    match (stdio.stdout != none, stdio.stderr != none) {
        (true, true) if stdio.stdout == stdio.stderr => "probe (terminal)",
        (true, true) => "probe",
        (true, false) => "probe (stdout; stderr is no pipe)",
        (false, true) => "probe (stderr; stdout is no pipe)",
        (false, false) => "not read: its stdout and stderr are no pipes",
    }
}

#[cfg(test)]
mod tests {
    use collector_ebpf::FileId;

    use super::{Stdio, way};

    #[test]
    fn says_which_streams_are_read() {
        let pipe = |inode| FileId { inode, device: 1, reserved: 0 };
        let way = |stdout, stderr| way(Stdio { stdout, stderr });
        assert_eq!(way(pipe(1), pipe(2)), "probe");
        assert_eq!(way(pipe(1), pipe(1)), "probe (terminal)");
        assert_eq!(way(FileId::default(), pipe(2)), "probe (stderr; stdout is no pipe)");
        let neither = "not read: its stdout and stderr are no pipes";
        assert_eq!(way(FileId::default(), FileId::default()), neither);
    }
}
