//! "It attached" proves nothing: a hook may never run. So the probe has to show a write of this very process.

use std::fs;
use std::io::{self, Write as _, pipe};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use collector_ebpf::FileId;
use rustix::fd::AsFd as _;
use rustix::fs::{fstat, major, minor};

use super::{Control, Event, Reader, Stdio};
use crate::record::{CgroupId, ContainerId};

/// The write is seen when it returns; the rest is scheduling.
const PATIENCE: Duration = Duration::from_secs(2);

/// The writes of other processes of this cgroup to regular files are announced as well.
const BATCH: usize = 1024;

/// Where the unified hierarchy is mounted: on hosts with v1 hierarchies beside it, and on those without.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Why the probe is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The test could not be made.
    #[error("failed to test the probe with a pipe of its own")]
    Pipe(#[source] io::Error),
    /// No place in the maps.
    #[error("failed to watch this process for the probe's test")]
    Watch(#[source] aya::maps::MapError),
    /// There are no cgroups of version 2 to be seen.
    #[error(
        "no cgroups of version 2, by which the probe knows containers: boot with \
         `systemd.unified_cgroup_hierarchy=1`, or mount them beside version 1 before the runtime starts"
    )]
    Cgroup,
    /// The hook never ran.
    #[error(
        "the probe is attached and sees no write of this process: this kernel runs no such hook"
    )]
    Blind,
}

/// Watches this process's own cgroup for a moment and writes into a pipe. To be run before any container is watched:
/// what is in the ring meanwhile is thrown away.
pub(super) fn run(
    reader: &mut Reader,
    control: &Control,
    own: CgroupId,
) -> Result<(), SelfTestError> {
    let id = ContainerId::from_bytes(&[b'0'; ContainerId::LEN])
        .map_err(|_never| SelfTestError::Cgroup)?;
    let (_read_end, mut write_end) = pipe().map_err(SelfTestError::Pipe)?;
    let stat = fstat(write_end.as_fd()).map_err(|error| SelfTestError::Pipe(error.into()))?;
    let device = major(stat.st_dev) << 20 | minor(stat.st_dev);
    let stdout = FileId { inode: stat.st_ino, device, reserved: 0 };
    control
        .watch(own, &[], &id, Stdio { stdout, stderr: FileId::default() })
        .map_err(SelfTestError::Watch)?;
    let written = write_end.write_all(b"writetap\n").map_err(SelfTestError::Pipe);
    let seen = written.map(|()| sees(reader, own));
    control.forget(own);
    if seen? { Ok(()) } else { Err(SelfTestError::Blind) }
}

fn sees(reader: &mut Reader, own: CgroupId) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = false;
    while !seen && Instant::now() < deadline {
        let drained = reader.drain(BATCH, |event| {
            seen |= matches!(event, Event::Chunk { cgroup, .. } if cgroup == own);
        });
        if drained == 0 {
            reader.wait(|| Duration::from_millis(1));
        }
    }
    seen
}

/// The inode of this process's directory in the unified hierarchy.
pub(super) fn own_cgroup() -> Result<CgroupId, SelfTestError> {
    unified_cgroup().ok_or(SelfTestError::Cgroup)
}

fn unified_cgroup() -> Option<CgroupId> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount =
        MOUNTS.iter().find(|mount| fs::metadata(format!("{mount}/cgroup.controllers")).is_ok())?;
    Some(CgroupId(fs::metadata(format!("{mount}/{path}")).ok()?.ino()))
}
