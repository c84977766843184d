//! Root for single commands: `sudo` where the user is not root. Builds never go through here.

use std::{ffi::OsStr, process::Command};

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `program`, to be run as root. Of the environment `sudo` passes on only what `keep` names.
pub(crate) fn as_root(program: impl AsRef<OsStr>, keep: &[&str]) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    if !keep.is_empty() {
        sudo.arg(format!("--preserve-env={}", keep.join(",")));
    }
    sudo.arg("--").arg(program);
    sudo
}
