//! A container as the kernel sees one: a cgroup with a runtime's name, and a process in it whose stdout and stderr are
//! pipes of somebody else.

use std::env::current_exe;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use collector::record::CgroupId;

use crate::object;

/// Where the unified hierarchy is mounted: on hosts with v1 hierarchies beside it, and on those without.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// How long a cgroup may have processes after the last of them closed its pipe.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container's id that no other has: 64 hexadecimal digits.
pub(crate) fn new_id() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{:032x}{:032x}", std::process::id(), number)
}

/// A cgroup, which is removed with those below it when it is dropped.
pub(crate) struct Container {
    path: PathBuf,
    cgroup: CgroupId,
    /// How many of the last components of its path were made for it.
    depth: usize,
}

/// What came out of its pipes.
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Container {
    /// A container of Docker's.
    pub(crate) fn new() -> Result<Self> {
        Self::named(&format!("docker/{}", new_id()))
    }

    /// A container whose cgroup has this path below the root.
    pub(crate) fn named(path: &str) -> Result<Self> {
        let root = MOUNTS.iter().find(|mount| Path::new(mount).join("cgroup.procs").is_file());
        let path = Path::new(root.context("cgroup2 is not mounted")?).join(path);
        let depth = path.ancestors().take_while(|directory| !directory.is_dir()).count();
        fs::create_dir_all(&path)
            .with_context(|| format!("failed to create the cgroup `{}`", path.display()))?;
        Ok(Self { cgroup: CgroupId(fs::metadata(&path)?.ino()), path, depth })
    }

    pub(crate) fn cgroup(&self) -> CgroupId {
        self.cgroup
    }

    /// Where the cgroup is.
    pub(crate) fn path(&self) -> Result<&str> {
        self.path.to_str().context("a path that is not UTF-8")
    }

    /// Starts the workload as its entry point, with these as stdout and stderr. Its stdin is empty, and ends when the test
    /// waits for it.
    pub(crate) fn start(&self, command: &[&str], streams: [Stdio; 2]) -> Result<Child> {
        self.spawn(&[&["workload"], command].concat(), streams)
    }

    /// Runs the workload to its end.
    pub(crate) fn run(&self, command: &[&str]) -> Result<Output> {
        finish(self.start(command, [Stdio::piped(), Stdio::piped()])?)
    }

    /// Runs the workload in a cgroup below.
    pub(crate) fn run_nested(&self, command: &[&str]) -> Result<Output> {
        let command = [&["nest", self.path()?], command].concat();
        finish(self.spawn(&command, [Stdio::piped(), Stdio::piped()])?)
    }

    /// The same, but its stdout is read only after it wrote a line to stderr.
    pub(crate) fn run_until_told(&self, command: &[&str]) -> Result<Output> {
        let mut child = self.start(command, [Stdio::piped(), Stdio::piped()])?;
        let mut stderr = BufReader::new(child.stderr.take().context("no pipe")?);
        let mut told = Vec::new();
        stderr.read_until(b'\n', &mut told)?;
        let stdout = finish(child)?.stdout;
        stderr.read_to_end(&mut told)?;
        Ok(Output { stdout, stderr: told })
    }

    fn spawn(&self, command: &[&str], [stdout, stderr]: [Stdio; 2]) -> Result<Child> {
        let mut program = Command::new(current_exe()?);
        program.arg("enter").arg(&self.path).args(command).env("TMPDIR", object::directory());
        program
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .context("failed to start")
    }

    /// Removes its cgroups, from the innermost.
    pub(crate) fn remove(&self) -> Result<()> {
        let nested = self.path.join("nested");
        for path in [&nested, &self.path] {
            let end = Instant::now() + PATIENCE;
            while let Err(error) = fs::remove_dir(path) {
                match error.kind() {
                    ErrorKind::NotFound => break,
                    // Who closed a pipe at its end is still a member for a moment.
                    ErrorKind::ResourceBusy if Instant::now() < end => thread::yield_now(),
                    _ => bail!("failed to remove the cgroup `{}`: {error}", path.display()),
                }
            }
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _told_by_the_test = self.remove();
        for parent in self.path.ancestors().take(self.depth).skip(1) {
            // Another test may use it.
            let _in_use = fs::remove_dir(parent);
        }
    }
}

/// Reads everything that a process writes, and waits for it.
pub(crate) fn finish(child: Child) -> Result<Output> {
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the container's program failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Output { stdout: output.stdout, stderr: output.stderr })
}
