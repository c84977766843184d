//! What this program does in the place of a container runtime and of a container's program.

use std::env::current_exe;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workload;

/// Joins `cgroup`, then executes this program as the container's entry point: in this order, as runc does it.
pub(crate) fn enter(cgroup: &str, command: &[&str]) -> Result<()> {
    join(Path::new(cgroup))?;
    Err(Command::new(current_exe()?).args(command).exec().into())
}

/// Moves into a new cgroup below `cgroup` and goes on as the workload there.
pub(crate) fn nest(cgroup: &str, command: &[&str]) -> Result<()> {
    let nested = Path::new(cgroup).join("nested");
    fs::create_dir(&nested)?;
    join(&nested)?;
    Ok(workload::run(command)?)
}

fn join(cgroup: &Path) -> Result<()> {
    let members = cgroup.join("cgroup.procs");
    // 0: the writer itself.
    fs::write(&members, "0").with_context(|| format!("failed to join `{}`", cgroup.display()))
}
