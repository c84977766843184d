//! Root for single commands: `sudo` where the user is not root. Builds never go through here.

use std::{ffi::OsStr, process::Command};

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `program`, to be run as root, with this environment.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--preserve-env", "--"]).arg(program);
    sudo
}
