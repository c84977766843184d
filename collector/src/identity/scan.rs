//! The containers whose cgroups exist now, by a walk of the unified hierarchy. Blocking; no runtime is asked.

use std::collections::VecDeque;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::process::is_gone;
use super::{Metrics, Process, cgroup};
use crate::record::{CgroupId, ContainerId, Runtime};

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
        "no cgroup2 file system in `{mountinfo}`: mount it, e.g. `mount -t cgroup2 none \
         /sys/fs/cgroup/unified`"
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
    /// Cgroups in all.
    pub cgroups: usize,
    /// Processes looked at to find a container's first one, per container.
    pub processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            cgroups: 65_536,
            processes: 1024,
        }
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

/// Where the unified hierarchy is mounted, by `self/mountinfo` of the procfs at `procfs`.
pub fn find_hierarchy(procfs: &Path) -> Result<PathBuf, ScanError> {
    let path = procfs.join("self/mountinfo");
    match fs::read(&path) {
        Ok(mounts) => hierarchy(&mounts).ok_or(ScanError::NoHierarchy { mountinfo: path }),
        Err(source) => Err(ScanError::Read { path, source }),
    }
}

/// The containers below `hierarchy`. Cgroups that vanish during the walk are left out.
pub fn scan(
    procfs: &Path,
    hierarchy: &Path,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Vec<Found>, ScanError> {
    let unreadable = |source| ScanError::Read {
        path: hierarchy.to_owned(),
        source,
    };
    let mut walk = Walk {
        limits,
        metrics,
        seen: 0,
        left: VecDeque::new(),
    };
    walk.enter(hierarchy, 0).map_err(unreadable)?;
    let mut found = Vec::new();
    while let Some(at) = walk.left.pop_front() {
        let name = at.path.file_name().unwrap_or_default().as_bytes();
        let parent = at
            .path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .as_bytes();
        match cgroup::component(parent, name) {
            None => walk.enter_or_count(&at),
            Some(named) => found.extend(walk.container(procfs, &at, named)),
        }
    }
    Ok(found)
}

/// A cgroup that was seen and not entered.
struct Directory {
    path: PathBuf,
    depth: usize,
}

struct Walk<'a> {
    limits: Limits,
    metrics: &'a Metrics,
    seen: usize,
    left: VecDeque<Directory>,
}

impl Walk<'_> {
    /// Notes the cgroups right below `path`, which lies `depth` levels deep.
    fn enter(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // The type of the entry itself: symbolic links are not followed.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            if depth >= self.limits.depth || self.seen >= self.limits.cgroups {
                self.metrics.scan_left_out("limit");
                continue;
            }
            self.seen += 1;
            self.left.push_back(Directory {
                path: entry.path(),
                depth: depth + 1,
            });
        }
        Ok(())
    }

    fn enter_or_count(&mut self, at: &Directory) {
        let entered = self.enter(&at.path, at.depth);
        self.count_unreadable(entered);
    }

    /// The container at `at` and all that is below it.
    fn container(&mut self, procfs: &Path, at: &Directory, named: cgroup::Named) -> Option<Found> {
        let mut processes = self.limits.processes;
        let id = self.id(&at.path)?;
        let mut init = self.earliest(procfs, &at.path, &mut processes);
        let mut nested = Vec::new();
        // The walk goes on below this cgroup before it returns to the others.
        let others = std::mem::take(&mut self.left);
        self.enter_or_count(at);
        while let Some(below) = self.left.pop_front() {
            nested.extend(self.id(&below.path));
            let earliest = self.earliest(procfs, &below.path, &mut processes);
            init = [init, earliest].into_iter().flatten().min_by_key(age);
            self.enter_or_count(&below);
        }
        self.left = others;
        let cgroup::Named { container, runtime } = named;
        Some(Found {
            cgroup: id,
            container,
            runtime,
            path: at.path.clone(),
            nested,
            init,
        })
    }

    fn id(&self, path: &Path) -> Option<CgroupId> {
        let metadata = self.count_unreadable(fs::symlink_metadata(path))?;
        Some(CgroupId(metadata.ino()))
    }

    /// The earliest process of the cgroup at `path`, of at most `processes`.
    fn earliest(&self, procfs: &Path, path: &Path, processes: &mut usize) -> Option<Process> {
        let listed = self.count_unreadable(fs::read(path.join("cgroup.procs")))?;
        let text = std::str::from_utf8(&listed).unwrap_or_default();
        // Pid 0 is a process that this pid namespace does not see.
        let mut pids = text
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|&pid| pid != 0);
        let earliest = pids
            .by_ref()
            .take(*processes)
            .inspect(|_| *processes -= 1)
            .filter_map(|pid| self.count_unreadable(Process::read(procfs, pid))?)
            .min_by_key(age);
        if pids.next().is_some() {
            self.metrics.scan_left_out("limit");
        }
        earliest
    }

    /// The value; or, counted unless it only vanished, nothing.
    fn count_unreadable<T>(&self, result: io::Result<T>) -> Option<T> {
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

/// The mount point of the first cgroup2 file system in a mountinfo file: field 5 of the line with that type after the
/// dash.
fn hierarchy(mounts: &[u8]) -> Option<PathBuf> {
    mounts.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let mount_point = fields.nth(4)?;
        fields.find(|&field| field == b"-")?;
        (fields.next()? == b"cgroup2").then(|| unescape(mount_point))
    })
}

/// Undoes the kernel's `\040` for blanks, tabs, newlines and backslashes.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let (b'\\', Some(code)) = (byte, code) {
            bytes.push(code);
            rest = &after[3..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
