//! Containers that were there before the probe.

use std::io;
use std::path::Path;

use collector_ebpf::FileId;

use crate::capture::{Control, Stdio};
use crate::identity::{self, Found, Limits, Object, ScanError, find_hierarchy, scan};

const PROCFS: &str = "/proc";

/// Finds the node's containers by their cgroups.
pub(super) fn find(metrics: &identity::Metrics) -> Result<Vec<Found>, ScanError> {
    let procfs = Path::new(PROCFS);
    scan(procfs, &find_hierarchy(procfs)?, Limits::default(), metrics)
}

/// What the container's streams are; nothing where its first process is gone.
pub(super) fn stdio(found: &Found) -> io::Result<Stdio> {
    let Some(init) = found.init else { return Ok(Stdio::default()) };
    let stdio = identity::Stdio::read(Path::new(PROCFS), init)?.unwrap_or_default();
    Ok(Stdio { stdout: file_id(stdio.stdout), stderr: file_id(stdio.stderr) })
}

/// Watches them. Returns how many could not be.
pub(super) fn watch(containers: &[Found], control: &Control) -> usize {
    let mut failed = 0;
    for found in containers {
        let container = found.container.short();
        let stdio = stdio(found).unwrap_or_else(|error| {
            tracing::warn!(container, %error, "failed to look at a container's stdout and stderr");
            Stdio::default()
        });
        let watched = control.watch(found.cgroup, &found.nested, &found.container, stdio);
        if let Err(error) = watched {
            failed += 1;
            tracing::error!(container, %error, "a container is not captured; raise capture.max_containers");
        }
    }
    failed
}

fn file_id(object: Option<Object>) -> FileId {
    object.map_or(FileId::default(), |Object { device, inode }| FileId {
        inode,
        device,
        reserved: 0,
    })
}
