//! A Docker engine of the tests' own: its data, sockets and containers are in the [`Site`].

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::process::Process;
use super::{Site, image, wait};

/// How long an engine may take to answer, and a container to end.
const PATIENCE: Duration = Duration::from_secs(90);

/// Folder of the daemon's data.
const DATA: &str = "data";

/// Where the daemon notes the containerd that it started.
const CONTAINERD_PID: &str = "exec/containerd/containerd.pid";

/// A running `dockerd` without networks. Its containers outlive it (`--live-restore`), unless told otherwise.
#[derive(Debug)]
pub(crate) struct Engine {
    folder: PathBuf,
    is_restoring: bool,
    daemon: Mutex<Process>,
}

/// What `docker run` is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// Of the container; once for each engine.
    pub(crate) name: &'a str,
    /// [`image::BUSYBOX`] or [`image::HOST`].
    pub(crate) image: &'a str,
    /// The logging driver.
    pub(crate) driver: &'a str,
    /// More options.
    pub(crate) options: &'a [&'a str],
    /// Program and arguments.
    pub(crate) command: &'a [&'a str],
}

impl<'a> Run<'a> {
    /// Busybox applets, logged by `json-file`.
    pub(crate) const fn busybox(name: &'a str, command: &'a [&'a str]) -> Self {
        Self { name, image: image::BUSYBOX, driver: "json-file", options: &[], command }
    }

    /// Programs of this machine or [`image::WORKLOAD`], logged by `json-file`.
    pub(crate) const fn host(name: &'a str, command: &'a [&'a str]) -> Self {
        Self { image: image::HOST, ..Self::busybox(name, command) }
    }
}

impl Engine {
    /// Starts an engine in a folder of that name, with both images.
    pub(crate) fn start(name: &str) -> Result<Self> {
        Self::start_restoring(name, true)
    }

    /// The same, and it may end the containers that it finds when it is [revived](Self::revive).
    pub(crate) fn start_restoring(name: &str, is_restoring: bool) -> Result<Self> {
        let site = Site::get()?;
        let folder = site.folder(name)?;
        std::fs::write(folder.join("daemon.json"), "{}")?;
        let daemon = Mutex::new(spawn(&folder, is_restoring)?);
        let engine = Self { folder, is_restoring, daemon };
        engine.ready()?;
        for (name, files) in image::lay_out(&engine.folder.join("images"))? {
            image::import(site, &engine.address(), name, &files)?;
        }
        Ok(engine)
    }

    /// For `DOCKER_HOST` and the like.
    pub(crate) fn address(&self) -> String {
        address(&self.folder)
    }

    /// Where the daemon keeps its containers and their logs.
    pub(crate) fn data_root(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// Ends the daemon as if it had crashed. Containers run on.
    pub(crate) fn kill(&self) -> Result<()> {
        let containerd = std::fs::read_to_string(self.folder.join(CONTAINERD_PID))?;
        self.daemon().end(Signal::KILL, PATIENCE)?;
        // Its containerd dies with it. A zombie has no command line.
        let arguments = format!("/proc/{}/cmdline", containerd.trim());
        wait::until("the end of containerd", PATIENCE, || {
            Ok(std::fs::read(&arguments).unwrap_or_default().is_empty().then_some(()))
        })
    }

    /// Starts the daemon that [`Self::kill`] ended.
    pub(crate) fn revive(&self) -> Result<()> {
        *self.daemon() = spawn(&self.folder, self.is_restoring)?;
        self.ready()
    }

    /// What `docker` with these arguments prints, without the last newline.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Site::get()?.command("timeout");
        command.arg(PATIENCE.as_secs().to_string()).args(["docker", "-H", &self.address()]);
        let output = command.args(arguments).output().context("failed to run `docker`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`docker {}`: {}", arguments.join(" "), said.trim_end());
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    /// Starts a container and lets it run.
    pub(crate) fn detach(&self, run: Run<'_>) -> Result<()> {
        self.docker(&arguments(run, &["--detach"]).iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(())
    }

    /// Runs a container to its end, which must be a good one.
    pub(crate) fn run(&self, run: Run<'_>) -> Result<()> {
        self.detach(run)?;
        self.wait(run.name)
    }

    /// Runs a container with `docker run --rm`, so that it is gone at its end.
    pub(crate) fn run_and_remove(&self, run: Run<'_>) -> Result<()> {
        self.docker(&arguments(run, &["--rm"]).iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(())
    }

    /// Waits for the good end of a container.
    pub(crate) fn wait(&self, name: &str) -> Result<()> {
        let code = self.docker(&["wait", name])?;
        if code != "0" {
            bail!("container `{name}` exited with {code}: {}", self.docker(&["logs", name])?);
        }
        Ok(())
    }

    /// One field of `docker inspect`, such as `.LogPath`.
    pub(crate) fn inspect(&self, name: &str, field: &str) -> Result<String> {
        self.docker(&["inspect", "--format", &format!("{{{{{field}}}}}"), name])
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Process> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> Result<()> {
        wait::until("the engine's answer", PATIENCE, || {
            if let Some(status) = self.daemon().ended()? {
                bail!("dockerd ended, {status}: {}", self.daemon().said());
            }
            Ok(self.docker(&["version"]).ok())
        })?;
        Ok(())
    }
}

impl Drop for Engine {
    /// Containers outlive their engine: those of an engine that a test started itself end here.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Engine {
    /// Removes all containers, and their logs.
    pub(crate) fn clear(&self) {
        let all = self.docker(&["ps", "--all", "--quiet"]).unwrap_or_default();
        let all: Vec<&str> = all.lines().collect();
        if all.is_empty() {
            return;
        }
        if let Err(error) = self.docker(&[&["rm", "--force", "--volumes"], &all[..]].concat()) {
            eprintln!("{error:#}");
        }
    }
}

fn address(folder: &Path) -> String {
    format!("unix://{}/docker.sock", folder.display())
}

fn spawn(folder: &Path, is_restoring: bool) -> Result<Process> {
    let mut command = Site::get()?.command("dockerd");
    for (option, name) in [
        ("--config-file", "daemon.json"),
        ("--data-root", DATA),
        ("--exec-root", "exec"),
        ("--pidfile", "docker.pid"),
    ] {
        command.arg(option).arg(folder.join(name));
    }
    command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
    if is_restoring {
        command.arg("--live-restore");
    }
    command.args(["--host", &address(folder)]);
    // A killed daemon leaves pid files, and a new one takes whatever has such a pid by now, even a zombie, for its own.
    for left in ["docker.pid", CONTAINERD_PID] {
        if let Err(error) = std::fs::remove_file(folder.join(left)) {
            ensure!(
                error.kind() == std::io::ErrorKind::NotFound,
                "failed to remove {left}: {error}"
            );
        }
    }
    Process::start(&mut command, &folder.join("dockerd.log"), None)
}

fn arguments(run: Run<'_>, how: &[&str]) -> Vec<String> {
    let Run { name, image, driver, options, command } = run;
    let name = format!("--name={name}");
    let driver = format!("--log-driver={driver}");
    let first = ["run", &name, &driver].into_iter().chain(how.iter().copied());
    let first = first.chain(options.iter().copied()).map(str::to_owned);
    let mounts = if image == image::HOST { image::host_mounts() } else { Vec::new() };
    let last = [image].into_iter().chain(command.iter().copied()).map(str::to_owned);
    first.chain(mounts).chain(last).collect()
}
