//! `identity`

use std::time::Duration;

use super::Findings;
use crate::config::file::{self, Enabled};
use crate::config::interpolate::Environment;
use crate::identity::Settings;

/// Where Docker listens when nothing says otherwise.
const DOCKER_ADDRESS: &str = "unix:///var/run/docker.sock";

/// Who wrote, and what waits until that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The stage's settings.
    pub stage: Settings,
    /// How long lines of an unknown container are held.
    pub hold_timeout: Duration,
    /// Bytes held for one such container; at most `hold_bytes`.
    pub hold_bytes_per_container: usize,
    /// Bytes held for all of them.
    pub hold_bytes: usize,
}

pub(super) fn check(
    file: &file::Identity,
    environment: &Environment<'_>,
    findings: &mut Findings<'_>,
) -> Identity {
    let file::Identity {
        docker,
        hold_timeout,
        hold_bytes_per_container,
        hold_bytes,
        reconcile_interval,
        grace,
    } = file;
    if hold_bytes_per_container > hold_bytes {
        let message = format!(
            "must be at most `identity.hold_bytes`: {hold_bytes_per_container} is more than {hold_bytes}"
        );
        findings.add(&["identity", "hold_bytes_per_container"], message);
    }
    let grace = grace.duration();
    Identity {
        stage: Settings {
            docker: check_docker(docker, environment, findings),
            // Who gives an address expects somebody there.
            is_docker_required: docker.enabled == Enabled::On || docker.address.is_some(),
            reconcile_interval: reconcile_interval.duration(),
            resolve_timeout: hold_timeout.duration(),
            grace,
            ..Settings::default()
        },
        hold_timeout: hold_timeout.duration(),
        hold_bytes_per_container: hold_bytes_per_container.bytes() as usize,
        hold_bytes: hold_bytes.bytes() as usize,
    }
}

fn check_docker(
    file: &file::Docker,
    environment: &Environment<'_>,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let file::Docker { enabled, address } = file;
    if *enabled == Enabled::Off {
        return None;
    }
    let inherited = || environment("DOCKER_HOST").filter(|host| !host.is_empty());
    let address = address.clone().or_else(inherited).unwrap_or_else(|| DOCKER_ADDRESS.to_owned());
    if !is_address(&address) {
        let message = "expected `unix:///path`, `tcp://host:port` or `http://host:port`, \
                       here or in the environment's `DOCKER_HOST`";
        findings.add(&["identity", "docker", "address"], message);
    }
    Some(address)
}

fn is_address(address: &str) -> bool {
    match address.split_once("://") {
        Some(("unix", path)) => path.starts_with('/'),
        Some(("tcp" | "http", host)) => !host.is_empty(),
        _ => false,
    }
}
