//! A process that a test started.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::wait;

/// Ended when dropped. Its output is kept in a file.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with what it says on stderr in `log`, appended, and with its stdout there too unless `stdout`
    /// is another file. In a process group of its own: what a terminal sends goes to the test binary alone.
    pub(crate) fn start(command: &mut Command, log: &Path, stdout: Option<File>) -> Result<Self> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let stdout = stdout.map_or_else(open, Ok)?;
        command.process_group(0).stdin(std::process::Stdio::null()).stdout(stdout).stderr(open()?);
        let child = command.spawn().with_context(|| format!("failed to run {command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        self.signal(signal)?;
        wait::until("the end of a process", limit, || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end(Signal::KILL, Duration::from_secs(10)).is_err() {
            eprintln!("process {} does not end", self.pid());
        }
    }
}
