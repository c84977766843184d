//! A collector under test, as an operator runs it.

use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use super::metrics::Metrics;
use super::process::Process;
use super::{Config, Record, Site, broker, record, wait};

/// Names the program to test, instead of the one that Cargo built beside the tests.
const PROGRAM: &str = "WRITETAP_BIN";
/// How long it may take to get ready, and to end when told to.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running collector. What it said on stderr is shown when its test fails.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Process,
    folder: TempDir,
    admin: String,
}

impl Agent {
    /// Starts a collector and waits until it is ready.
    pub(crate) fn start(config: &Config) -> Result<Self> {
        Self::launch(config, None, &[])?.ready()
    }

    /// The same with its standard output into another file: [`Self::records`] has none of it.
    pub(crate) fn start_into(config: &Config, stdout: File) -> Result<Self> {
        Self::launch(config, Some(stdout), &[])?.ready()
    }

    /// Starts a collector that may not get ready; waits until it answers at all.
    pub(crate) fn start_unready(config: &Config) -> Result<Self> {
        let mut agent = Self::launch(config, None, &[])?;
        agent.until("the collector's answer", |agent| Ok(agent.get("/healthz").ok()))?;
        Ok(agent)
    }

    /// Starts a collector, and does not wait for anything.
    pub(crate) fn begin(config: &Config) -> Result<Self> {
        Self::launch(config, None, &[])
    }

    /// Starts a collector that tells the one before it to end, and waits until it is ready.
    pub(crate) fn take_over(config: &Config) -> Result<Self> {
        Self::launch(config, None, &["--take-over"])?.ready()
    }

    /// Waits for a condition; fails at once when the collector ends.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        wait::until(what, PATIENCE, || {
            if let Some(status) = self.process.ended()? {
                bail!("the collector ended, {status}, while a test waited for {what}");
            }
            ask(self)
        })
    }

    /// Waits until a container has that many records on standard output.
    pub(crate) fn until_records(&mut self, container: &str, count: usize) -> Result<Vec<Record>> {
        self.until(&format!("{count} records of `{container}`"), |agent| {
            Ok(Some(agent.records(container)?).filter(|records| records.len() >= count))
        })
    }

    /// The records of a container, by its name or its full id, on standard output so far, in order.
    pub(crate) fn records(&self, container: &str) -> Result<Vec<Record>> {
        record::of_container(&std::fs::read(self.folder.path().join("stdout"))?, container)
    }

    /// `/metrics`
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let (code, text) = self.get("/metrics")?;
        ensure!(code == 200, "/metrics answered {code}: {text}");
        Metrics::parse(&text)
    }

    /// Status code and body of an admin page.
    pub(crate) fn get(&self, page: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {page} HTTP/1.0\r\nHost: {}\r\n\r\n", self.admin)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the headers")?;
        let code = head.split(' ').nth(1).context("no status code")?.parse()?;
        Ok((code, body.to_owned()))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The most memory it ever had, in bytes; the ring is part of it.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).context("no VmHWM")?;
        Ok(kib.parse::<u64>()? << 10)
    }

    /// What it said on stderr so far.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    /// Sends a signal.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Puts another configuration in the place of the one it was started with.
    pub(crate) fn rewrite(&self, config: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join("writetap.yaml"), config)?)
    }

    /// The configuration as it is on disk.
    pub(crate) fn configuration(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("writetap.yaml"))?)
    }

    /// Puts another configuration in place, and waits until it is in force.
    pub(crate) fn reconfigure(&mut self, config: &Config) -> Result<()> {
        let reloads = |agent: &Self| -> Result<u64> {
            Ok(agent.metrics()?.sum("writetap_config_reloads_total", &[]))
        };
        let before = reloads(self)?;
        self.rewrite(&config.text(&self.admin, self.folder.path()))?;
        self.signal(Signal::HUP)?;
        self.until("the reload", |agent| {
            ensure!(!agent.said().contains("is not reloaded"), "the configuration is refused");
            Ok((reloads(agent)? > before).then_some(()))
        })
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.end(Signal::KILL, PATIENCE)?;
        Ok(())
    }

    /// Waits for the end that somebody else told it to come to; returns how it ended.
    pub(crate) fn ended(mut self) -> Result<ExitStatus> {
        wait::until("the collector's end", PATIENCE, || self.process.ended())
    }

    /// Stops it with SIGTERM when its sinks cannot deliver; returns how it ended, and all that it said.
    pub(crate) fn give_up(mut self) -> Result<(ExitStatus, String)> {
        let status = self.process.end(Signal::TERM, PATIENCE)?;
        Ok((status, self.said()))
    }

    /// Stops it with SIGTERM, which drains what it took; returns the records of each asked container.
    pub(crate) fn stop<const N: usize>(
        mut self,
        containers: [&str; N],
    ) -> Result<[Vec<Record>; N]> {
        let status = self.process.end(Signal::TERM, PATIENCE)?;
        ensure!(status.code() == Some(0), "the collector ended with {status}");
        let mut records = [const { Vec::new() }; N];
        for (records, container) in records.iter_mut().zip(containers) {
            *records = self.records(container)?;
        }
        Ok(records)
    }

    /// Waits until it is ready.
    pub(crate) fn ready(mut self) -> Result<Self> {
        self.until("the collector's readiness", |agent| {
            Ok(agent.get("/readyz").ok().filter(|(code, _)| *code == 200).map(|_| ()))
        })?;
        Ok(self)
    }

    fn launch(config: &Config, stdout: Option<File>, options: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [admin] = broker::free_addresses()?;
        let file = folder.path().join("writetap.yaml");
        std::fs::write(&file, config.text(&admin, folder.path()))?;
        let mut command = program()?;
        command.current_dir(folder.path()).arg("run").args(options);
        command.arg("--config").arg(&file);
        let kept = File::create(folder.path().join("stdout"))?;
        let stdout = stdout.unwrap_or(kept);
        let process = Process::start(&mut command, &folder.path().join("stderr"), Some(stdout))?;
        Ok(Self { process, folder, admin })
    }
}

impl Drop for Agent {
    /// The test runner shows this if the test fails, and keeps it to itself if not.
    fn drop(&mut self) {
        eprintln!("--- stderr of collector {}:\n{}---", self.process.pid(), self.said());
    }
}

/// The program under test, to be told its arguments.
pub(crate) fn program() -> Result<Command> {
    let path = std::env::var_os(PROGRAM).map_or_else(built, PathBuf::from);
    Ok(Site::get()?.command(path))
}

fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_writetap")).to_owned()
}

/// What a command of the program does with a configuration. Its files are readable to all, and `wrap`, a program with
/// arguments, runs a copy of it that anyone may run.
pub(crate) fn output(config: &str, wrap: &[&str], arguments: &[&str]) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let (file, copy) = (folder.path().join("writetap.yaml"), folder.path().join("writetap"));
    std::fs::write(&file, config)?;
    std::fs::copy(program()?.get_program(), &copy)?;
    let mut command = Site::get()?.command("timeout");
    command.arg(PATIENCE.as_secs().to_string()).args(wrap).arg(&copy).args(arguments);
    let output = command.current_dir("/").arg("--config").arg(&file).output()?;
    ensure!(output.status.code() != Some(124), "`writetap {arguments:?}` does not end");
    Ok(output)
}
