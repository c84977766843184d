//! The containers whose cgroups exist now, by a walk of the unified hierarchy. Blocking; no runtime is asked.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::process::is_gone;
use super::{Metrics, Process, cgroup};
use crate::record::{CgroupId, ContainerId, Runtime};

mod hierarchy;
#[cfg(test)]
mod tests;

pub use hierarchy::find_hierarchy;

/// Why the hierarchy could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// procfs or the hierarchy's root could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The unified hierarchy is not mounted.
    #[error(
        "no cgroup2 file system in `{mountinfo}`: boot with `systemd.unified_cgroup_hierarchy=1`, or mount it before \
         the runtime starts, e.g. `mount -t cgroup2 none /sys/fs/cgroup/unified`"
    )]
    NoHierarchy {
        /// The list of mounts that was read.
        mountinfo: PathBuf,
    },
}

/// How far a walk goes. What lies beyond is counted in [`Metrics`], not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels below the root of the hierarchy; the kernel's own bound is `cgroup.max.depth`.
    pub depth: usize,
    /// Cgroups in all, those inside of containers not counted.
    pub cgroups: usize,
    /// Cgroups inside of one container, so that none can keep the others from being found.
    pub nested: usize,
    /// Processes looked at to find a container's first one, per container.
    pub processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, cgroups: 65_536, nested: 4096, processes: 1024 }
    }
}

/// A container's cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The container's own, topmost cgroup.
    pub cgroup: CgroupId,
    /// Whose it is.
    pub container: ContainerId,
    /// Who runs it, where the name tells.
    pub runtime: Option<Runtime>,
    /// Directory of the cgroup.
    pub path: PathBuf,
    /// Cgroups below it.
    pub nested: Vec<CgroupId>,
    /// The earliest process in it or below it: the one that was given the container's stdio.
    pub init: Option<Process>,
}

/// The containers below `hierarchy`. Cgroups that vanish during the walk are left out.
pub fn scan(
    procfs: &Path,
    hierarchy: &Path,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Vec<Found>, ScanError> {
    let walk = Walk { procfs, limits, metrics };
    let top = Directory { path: hierarchy.to_owned(), depth: 0 };
    let mut left = VecDeque::new();
    let mut room = limits.cgroups;
    if let Err(source) = walk.enter(&top, &mut left, &mut room) {
        return Err(ScanError::Read { path: top.path, source });
    }
    let mut found = Vec::new();
    while let Some(at) = left.pop_front() {
        let name = at.path.file_name().unwrap_or_default();
        let parent = at.path.parent().and_then(Path::file_name).unwrap_or_default();
        match cgroup::component(parent.as_bytes(), name.as_bytes()) {
            Some(named) => found.extend(walk.container(at, named)),
            None => {
                walk.read(walk.enter(&at, &mut left, &mut room));
            }
        }
    }
    Ok(found)
}

/// A cgroup that was seen and not entered, and how many levels deep it lies.
struct Directory {
    path: PathBuf,
    depth: usize,
}

struct Walk<'a> {
    procfs: &'a Path,
    limits: Limits,
    metrics: &'a Metrics,
}

impl Walk<'_> {
    /// Adds the cgroups right below `at` to `left`, for as many as there is `room`.
    fn enter(
        &self,
        at: &Directory,
        left: &mut VecDeque<Directory>,
        room: &mut usize,
    ) -> io::Result<()> {
        for entry in fs::read_dir(&at.path)? {
            let entry = entry?;
            // The type of the entry itself: symbolic links are not followed.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            if at.depth == self.limits.depth || *room == 0 {
                self.metrics.scan_left_out("limit");
                continue;
            }
            *room -= 1;
            left.push_back(Directory { path: entry.path(), depth: at.depth + 1 });
        }
        Ok(())
    }

    /// The container whose topmost cgroup is `at`.
    fn container(&self, at: Directory, named: cgroup::Named) -> Option<Found> {
        let cgroup = self.id(&at)?;
        let mut nested = Vec::new();
        let mut processes = self.limits.processes;
        let mut init = self.earliest(&at, &mut processes);
        let mut left = VecDeque::new();
        let mut room = self.limits.nested;
        self.read(self.enter(&at, &mut left, &mut room));
        while let Some(below) = left.pop_front() {
            nested.extend(self.id(&below));
            let earliest = self.earliest(&below, &mut processes);
            init = init.into_iter().chain(earliest).min_by_key(age);
            self.read(self.enter(&below, &mut left, &mut room));
        }
        let cgroup::Named { container, runtime } = named;
        Some(Found { cgroup, container, runtime, path: at.path, nested, init })
    }

    fn id(&self, at: &Directory) -> Option<CgroupId> {
        let metadata = self.read(fs::symlink_metadata(&at.path))?;
        Some(CgroupId(metadata.ino()))
    }

    /// The earliest process of the cgroup `at`, of as many as may still be looked at.
    fn earliest(&self, at: &Directory, processes: &mut usize) -> Option<Process> {
        let listed = self.read(fs::read(at.path.join("cgroup.procs")))?;
        let text = std::str::from_utf8(&listed).unwrap_or_default();
        // Pid 0 is a process that this pid namespace does not see.
        let mut pids = text.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid != 0);
        let earliest = pids
            .by_ref()
            .take(*processes)
            .inspect(|_| *processes -= 1)
            .filter_map(|pid| self.read(Process::read(self.procfs, pid))?)
            .min_by_key(age);
        if pids.next().is_some() {
            self.metrics.scan_left_out("limit");
        }
        earliest
    }

    /// What was read; nothing, and counted, if it could not be; nothing, if it only vanished meanwhile.
    fn read<T>(&self, result: io::Result<T>) -> Option<T> {
        result
            .inspect_err(|error| {
                if !is_gone(error) {
                    self.metrics.scan_left_out("unreadable");
                }
            })
            .ok()
    }
}

/// Orders processes by start; within one clock tick, a parent has the lower pid (short of a wrap-around).
fn age(process: &Process) -> (u64, u32) {
    (process.start_ticks, process.pid)
}
