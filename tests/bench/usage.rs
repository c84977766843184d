//! What processes have used, as the kernel says.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What the names of the engine's processes begin with: `dockerd`, `containerd`, `containerd-shim`.
const ENGINE: [&str; 2] = ["dockerd", "containerd"];

/// CPU time of a process, user and system, all living threads together.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in threads(pid)? {
        // It may end meanwhile.
        let stat = read_to_string(thread.join("schedstat")).unwrap_or_default();
        nanos += first_number(&stat).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// Times that threads of a process went to sleep.
pub(crate) fn sleeps(pid: u32) -> Result<u64> {
    let count = |thread: PathBuf| field(&thread.join("status"), "voluntary_ctxt_switches:");
    threads(pid)?.into_iter().map(count).sum()
}

/// Memory of a process that is resident.
pub(crate) fn resident_mebibytes(pid: u32) -> Result<f64> {
    let kibibytes = field(&PathBuf::from(format!("/proc/{pid}/status")), "VmRSS:")?;
    Ok(kibibytes as f64 / 1024.0)
}

/// CPU time of a Docker engine: each process that its daemon started, the shims of its containers as well.
#[derive(Debug)]
pub(crate) struct Engine(BTreeMap<u32, Duration>);

impl Engine {
    /// Up to now.
    pub(crate) fn now() -> Result<Self> {
        let mut times = BTreeMap::new();
        for entry in read_dir("/proc")? {
            let path = entry?.path();
            let pid = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(pid) = pid.filter(|_| is_engine(&path)) {
                times.insert(pid, cpu(pid).unwrap_or_default());
            }
        }
        Ok(Self(times))
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let used = |(pid, time): (&u32, &Duration)| {
            time.saturating_sub(before.0.get(pid).copied().unwrap_or_default())
        };
        self.0.iter().map(used).sum()
    }
}

/// Whether it is a process of an engine that this run has started.
fn is_engine(process: &Path) -> bool {
    let comm = read_to_string(process.join("comm")).unwrap_or_default();
    let environment = std::fs::read(process.join("environ")).unwrap_or_default();
    ENGINE.iter().any(|name| comm.starts_with(name))
        && memchr::memmem::find(&environment, b"WRITETAP_E2E_SITE=").is_some()
}

fn threads(pid: u32) -> Result<Vec<PathBuf>> {
    let folder = format!("/proc/{pid}/task");
    let entries = read_dir(&folder).with_context(|| format!("failed to list `{folder}`"))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The number after `key` in a file of `/proc`.
fn field(path: &Path, key: &str) -> Result<u64> {
    let text = read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(first_number).with_context(|| format!("no `{key}` in `{}`", path.display()))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
