//! The Docker daemon and its client, and the busybox that images are made of.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{self, Step},
    privilege,
    workspace::Workspace,
};

/// How long a daemon that was just started may take to answer.
const START: Duration = Duration::from_mins(1);

/// A `docker` command; by `sudo` where this user may not talk to the daemon.
pub(crate) fn client() -> Command {
    if privilege::is_root() || command::read(&mut probe(Command::new("docker"))).is_ok() {
        return Command::new("docker");
    }
    privilege::as_root("docker")
}

/// The version of the daemon, if one answers.
pub(super) fn answering() -> Option<String> {
    command::read(&mut probe(client())).ok()
}

fn probe(mut docker: Command) -> Command {
    docker.args(["version", "--format", "{{.Server.Version}}"]);
    docker
}

/// A busybox that needs no library, so that it runs in an empty image.
pub(crate) fn busybox() -> Option<PathBuf> {
    let paths = env::var_os("PATH")?;
    let candidates = env::split_paths(&paths).chain([PathBuf::from("/bin")]);
    candidates
        .map(|dir| dir.join("busybox"))
        .find(|file| fs::read(file).is_ok_and(|bytes| is_static(&bytes)))
}

/// Whether an executable's bytes name no program interpreter; its path would stand in the first page.
fn is_static(executable: &[u8]) -> bool {
    const INTERPRETERS: [&[u8]; 2] = [b"/ld-linux", b"/ld-musl"];
    let head = &executable[..executable.len().min(4096)];
    let names = |path: &[u8]| head.windows(path.len()).any(|window| window == path);
    head.starts_with(b"\x7fELF") && !INTERPRETERS.into_iter().any(names)
}

/// Starts a daemon: by systemd where it runs the machine, else detached, with its log in the cache.
pub(super) fn start(workspace: &Workspace) -> Result<()> {
    let step = Step::begin("start the Docker daemon");
    let log = workspace.cache("log")?.join("dockerd.log");
    if Path::new("/run/systemd/system").is_dir() {
        let mut start = privilege::as_root("systemctl");
        command::show(start.args(["start", "docker"]), "`journalctl -u docker` says why")?;
    } else {
        let output =
            File::create(&log).with_context(|| format!("failed to create `{}`", log.display()))?;
        let mut daemon = privilege::as_root("setsid");
        daemon
            .args(["--fork", "dockerd"])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        eprintln!("    $ {} (log: {})", command::text(&daemon), log.display());
        daemon.status().context("`setsid` cannot be started")?;
    }
    while step.elapsed() < START {
        if answering().is_some() {
            step.end();
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
    }
    bail!(
        "no Docker daemon answered within {} s\nremedy: read `{}`, or start one by hand",
        START.as_secs(),
        log.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_means_no_interpreter() {
        assert!(is_static(b"\x7fELF\x02\x01"));
        assert!(!is_static(b"\x7fELF\x02\x01 /lib64/ld-linux-x86-64.so.2\0"));
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(b""));
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
    }
}
