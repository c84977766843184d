//! Container id → [`Container`], and cgroup ↔ container id.
//!
//! [`Identity`] keeps what the container runtimes say of this node's containers: it follows their events, lists
//! everything now and then, and asks for what it does not know. [`cgroup`] and [`scan`] read the other half, which
//! container a cgroup belongs to, from the cgroup's path. [`Stdio`] tells which objects a running container's streams
//! are.
//!
//! ```text
//! runtime (Docker) ─ reports → resolver ─ changes → the agent
//!                  ← wanted ─     ↑ requests (Handle)
//! ```
//!
//! Not here: which containers are captured, and holding the bytes of one that is not resolved yet. The runtime is
//! trusted with the size of its answers (it runs as root); what containers put into them is bounded.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::record::{Container, ContainerId};

mod backoff;
mod cache;
pub mod cgroup;
mod description;
mod docker;
mod handle;
mod metrics;
mod process;
mod report;
mod resolver;
mod scan;
mod settings;
mod stdio;
#[cfg(test)]
mod tests;

pub use handle::{Handle, Refused};
pub use metrics::Metrics;
pub use process::Process;
pub use scan::{Found, Limits, ScanError, find_hierarchy, scan};
pub use settings::Settings;
pub use stdio::{Object, Stdio};

/// What became known of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The container as its runtime describes it: unasked when it is made or started, in answer to
    /// [`Handle::resolve`], and again when something changed (it was renamed, or started again).
    Known(Arc<Container>),
    /// No runtime explains this id: all that are up were asked, or none answers. The answer to [`Handle::resolve`];
    /// [`Change::Known`] may follow once a runtime comes up.
    Unexplained(ContainerId),
    /// The container stopped or was removed. It is still resolved for a while, and known again when it is started.
    Gone(ContainerId),
}

/// Why the stage could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the Docker engine has no form that is understood.
    #[error(
        "docker address `{address}` is not understood: give unix:///path, tcp://host:port or \
         http://host:port"
    )]
    Address {
        /// As it was given.
        address: String,
    },
}

/// The stage.
#[derive(Debug)]
pub struct Identity;

impl Identity {
    /// Starts the stage's tasks on the current tokio runtime.
    ///
    /// They end when the receiver is dropped, or every [`Handle`] is.
    pub fn start(
        settings: Settings,
        metrics: Metrics,
    ) -> Result<(Handle, mpsc::Receiver<Change>), Error> {
        let queue = settings.queue.max(1);
        let (to_resolver, requests) = mpsc::channel(queue);
        let (to_agent, changes) = mpsc::channel(queue);
        let (handle, ready) = Handle::new(to_resolver, metrics.clone());
        let (to_resolver, reports) = mpsc::channel(queue);
        let wanted = match settings.docker.clone() {
            None => None,
            Some(address) => {
                let address = address.parse()?;
                let (to_docker, wanted) = mpsc::channel(queue);
                let docker = docker::Docker::new(
                    address,
                    settings.clone(),
                    metrics.clone(),
                    to_resolver,
                    wanted,
                );
                drop(tokio::spawn(docker.run()));
                Some(to_docker)
            }
        };
        let resolver = resolver::Resolver::new(settings, metrics, ready, wanted);
        drop(tokio::spawn(resolver.run(requests, reports, to_agent)));
        Ok((handle, changes))
    }
}
