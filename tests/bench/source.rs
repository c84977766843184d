//! What writes: `stream` of the workload, in Docker's containers or in cgroups that look like a container's.

use std::fs::{File, OpenOptions, create_dir, create_dir_all, remove_dir, write};
use std::io::{PipeReader, Read as _, pipe};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pipe::fcntl_setpipe_size;

use crate::harness::image::{HOST, WORKLOAD, workload};
use crate::harness::process::Process;
use crate::harness::{Engine, Run, Site, wait};

/// Bytes of a line.
pub(crate) const LINE_BYTES: u64 = 200;
/// Where the unified hierarchy may be.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// How long writers may take to write what they were asked for.
const PATIENCE: Duration = Duration::from_mins(1);

/// What each writer writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// How much.
    pub(crate) lines: u64,
    /// Lines a second; 0: as fast as it can.
    pub(crate) rate: u64,
}

impl Stream {
    /// Without an end.
    pub(crate) fn paced(rate: u64) -> Self {
        Self { lines: u64::MAX, rate }
    }

    fn command(self, program: &str, gate: &str) -> [String; 5] {
        let Self { lines, rate } = self;
        [program.into(), "stream".into(), gate.into(), lines.to_string(), rate.to_string()]
    }
}

/// A FIFO that writers wait for.
#[derive(Debug)]
struct Gate {
    path: PathBuf,
    open: Option<File>,
}

impl Gate {
    fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("gate");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { path, open: None })
    }

    fn open(&mut self) -> Result<()> {
        self.open = Some(OpenOptions::new().write(true).open(&self.path)?);
        Ok(())
    }
}

/// Running containers; removed when dropped.
#[derive(Debug)]
pub(crate) struct Containers<'a> {
    engine: &'a Engine,
    names: Vec<String>,
    gate: Gate,
}

impl<'a> Containers<'a> {
    /// Starts them; they write when told to [go](Self::go).
    pub(crate) fn start(
        engine: &'a Engine,
        driver: &'a str,
        count: usize,
        stream: Stream,
    ) -> Result<Self> {
        let gate = Gate::new(&Site::get()?.folder("gate")?)?;
        let volume = format!("--volume={}:/gate:ro", gate.path.display());
        let command = stream.command(WORKLOAD, "/gate");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut containers = Self { engine, names: Vec::new(), gate };
        for number in 0..count {
            let name = format!("bench-{number}");
            engine.detach(Run {
                name: &name,
                image: HOST,
                driver,
                options: &[&volume],
                command: &command,
            })?;
            containers.names.push(name);
        }
        Ok(containers)
    }

    /// Lets them write.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.gate.open()
    }
}

impl Drop for Containers<'_> {
    fn drop(&mut self) {
        let names = self.names.iter().map(String::as_str);
        let command: Vec<&str> = ["rm", "--force", "--volumes"].into_iter().chain(names).collect();
        if let Err(error) = self.engine.docker(&command) {
            eprintln!("{error:#}");
        }
    }
}

/// Room in the writers' pipe: `/proc/sys/fs/pipe-max-size` as it comes.
const PIPE_BYTES: usize = 1 << 20;
/// Between two reads of it: even a fast writer does not fill it meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// Writers in cgroups of their own, whose name is an id as of a container. All have the same pipe for stdout, which is
/// emptied here. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Writers {
    cgroups: Vec<PathBuf>,
    processes: Vec<Process>,
    gate: Gate,
    drained_bytes: Arc<AtomicU64>,
}

impl Writers {
    /// Starts them; they write when told to [go](Self::go).
    pub(crate) fn start(count: usize, stream: Stream) -> Result<Self> {
        let folder = Site::get()?.folder("bench")?;
        let (output, input) = pipe()?;
        fcntl_setpipe_size(&input, PIPE_BYTES)?;
        let drained_bytes = Arc::new(AtomicU64::new(0));
        let mut writers = Self {
            cgroups: Vec::new(),
            processes: Vec::new(),
            gate: Gate::new(&folder)?,
            drained_bytes: Arc::clone(&drained_bytes),
        };
        thread::spawn(move || drain(output, &drained_bytes));
        let workload = workload();
        let gate = writers.gate.path.to_string_lossy().into_owned();
        let command = stream.command(&workload.to_string_lossy(), &gate);
        for _ in 0..count {
            let cgroup = make_cgroup(&folder)?;
            let procs = cgroup.join("cgroup.procs");
            writers.cgroups.push(cgroup);
            // As runtimes do: a process joins the cgroup, and then executes the container's program.
            let mut shell = Site::get()?.command("/bin/sh");
            shell.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(procs).args(&command);
            let stdout = File::from(OwnedFd::from(input.try_clone()?));
            let log = folder.join("stderr");
            writers.processes.push(Process::start(&mut shell, &log, Some(stdout))?);
        }
        Ok(writers)
    }

    /// Lets them write.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.gate.open()
    }

    /// Waits until that many lines have been written.
    pub(crate) fn until(&self, lines: u64) -> Result<()> {
        wait::until("lines", PATIENCE, || {
            let drained = self.drained_bytes.load(Ordering::Relaxed);
            Ok((drained >= lines * LINE_BYTES).then_some(()))
        })
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().map(Process::pid)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        // All at once: one after the other takes long.
        for cgroup in &self.cgroups {
            let killed = write(cgroup.join("cgroup.kill"), "1");
            killed.unwrap_or_else(|error| eprintln!("failed to end writers: {error}"));
        }
        self.processes.clear();
        for cgroup in &self.cgroups {
            let removed = remove_dir(cgroup);
            removed.unwrap_or_else(|error| eprintln!("failed to remove a cgroup: {error}"));
        }
    }
}

/// Reads what writers write, and counts it. With pauses: a reader that waits in the pipe is woken by each write, which costs
/// the writer more than the write.
fn drain(mut output: PipeReader, drained_bytes: &AtomicU64) {
    let mut block = vec![0; PIPE_BYTES];
    while let Ok(count @ 1..) = output.read(&mut block) {
        drained_bytes.fetch_add(count as u64, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
}

/// A cgroup with an id that no other has. Its folder below `folder` tells the cleanup of it.
fn make_cgroup(folder: &Path) -> Result<PathBuf> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let id = format!("{number:016x}{:048x}", std::process::id());
    create_dir_all(folder.join("data/containers").join(&id))?;
    let is_unified = |root: &&&str| Path::new(root).join("cgroup.procs").is_file();
    let root = HIERARCHIES.iter().find(is_unified).context("no unified cgroup hierarchy")?;
    let cgroup = Path::new(root).join(id);
    create_dir(&cgroup).with_context(|| format!("failed to make `{}`", cgroup.display()))?;
    Ok(cgroup)
}
