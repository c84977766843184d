//! File systems in the site: what is left of them is unmounted with it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Mounts what `mount` is told at a folder, or changes how it is mounted.
pub(crate) fn mount(arguments: &[&str], at: &Path) -> Result<()> {
    let output = Command::new("mount").args(arguments).arg(at).output()?;
    ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Unmounts it.
pub(crate) fn unmount(at: &Path) -> Result<()> {
    let status = Command::new("umount").arg(at).status().context("failed to run `umount`")?;
    ensure!(status.success(), "umount: {status}");
    Ok(())
}
