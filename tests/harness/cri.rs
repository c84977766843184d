//! A Kubernetes node as the collector sees one: cgroups named as containerd names them, logs of their pods, and a kubelet
//! that rotates them. No runtime, no API.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::image;
use super::shim::{Form, Log};
use super::{Config, Site, wait};

/// Where the unified hierarchy is mounted: on machines with v1 hierarchies beside it, and on those without.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// How long a container may take to end.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between a log's new name and the runtime's new file.
const REOPENED_AFTER: Duration = Duration::from_millis(30);
/// Where the kubelet's stamps begin; each rotation takes the next second, however fast they come.
const FIRST_STAMP: u64 = 20_261_124_100_000;

/// A node; all of it is in a folder of the site.
#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
}

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Pod {
    id: String,
    cgroup: PathBuf,
    program: Child,
    shims: Vec<JoinHandle<std::io::Result<()>>>,
    log: Arc<Log>,
}

impl Node {
    /// A node without containers, in a folder of that name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder = Site::get()?.folder(name)?;
        fs::create_dir(folder.join("links"))?;
        Ok(Self { folder })
    }

    /// The configuration of a collector of this node. No runtime is asked: a container goes by its id.
    pub(crate) fn config(&self) -> Config {
        let folder = self.folder.display();
        Config::bare(
            "docker: { enabled: off }, hold_timeout: 0s".into(),
            format!("docker_root: \"{folder}/none\", cri_links: \"{folder}/links\""),
        )
    }

    /// Runs a program, the container's first, until it ends.
    pub(crate) fn start(&self, name: &str, form: Form, command: &[&str]) -> Result<Pod> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:032x}{number:032x}", std::process::id());
        let mounted = HIERARCHIES.iter().find(|it| Path::new(it).join("cgroup.procs").is_file());
        let pods = Path::new(mounted.context("cgroup2 is not mounted")?).join("kubepods");
        let cgroup = pods.join(format!("burstable/pod{number:08x}/{id}"));

        let logs = self.folder.join(format!("pods/default_{name}_{number:08x}/main"));
        fs::create_dir_all(&logs)?;
        let log = Arc::new(Log::create(form, &logs.join("0.log"))?);
        symlink(log.path(), self.folder.join(format!("links/{name}_default_main-{id}.log")))?;

        fs::create_dir_all(&cgroup)?;
        let mut program = Site::get()?.command("sh");
        // As a runtime does it: first into the cgroup, then the program. 0: the writer itself.
        let enter = "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"";
        program.args(["-c", enter]).arg(&cgroup).args(command);
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn()?;
        let (stdout, stderr) = (program.stdout.take(), program.stderr.take());
        let mut pod = Pod { id, cgroup, program, shims: Vec::new(), log };
        let stdout: ChildStdout = stdout.context("no pipe")?;
        let stderr = stderr.context("no pipe")?;
        let (log, other) = (Arc::clone(&pod.log), Arc::clone(&pod.log));
        pod.shims.push(thread::spawn(move || log.follow(stdout, 0)));
        pod.shims.push(thread::spawn(move || other.follow(stderr, 1)));
        Ok(pod)
    }
}

/// The program of this machine that writes.
pub(crate) fn workload() -> String {
    image::workload().display().to_string()
}

impl Pod {
    /// 64 digits
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The newest file of its log.
    pub(crate) fn log(&self) -> &Path {
        self.log.path()
    }

    /// Waits for its good end, when its log has all that it wrote.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status =
            wait::until("the end of a program", PATIENCE, || Ok(self.program.try_wait()?))?;
        ensure!(status.success(), "the program ended with {status}");
        for shim in self.shims.drain(..) {
            shim.join().map_err(|_panic| anyhow!("a shim panicked"))??;
        }
        Ok(())
    }

    /// A kubelet that rotates its log.
    pub(crate) fn kubelet(&self) -> Kubelet {
        Kubelet { log: Arc::clone(&self.log), stamp: FIRST_STAMP }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // After a test that passed it is gone already.
        let _gone = self.program.kill();
        let _gone = self.program.wait();
        let removed =
            wait::until("an empty cgroup", Duration::from_secs(5), || {
                match fs::remove_dir(&self.cgroup) {
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(None),
                    removed => Ok(Some(removed?)),
                }
            });
        if let Err(error) = removed {
            eprintln!("{error:#}");
        }
        for parent in self.cgroup.ancestors().skip(1).take(3) {
            // Others may be in it.
            let _in_use = fs::remove_dir(parent);
        }
    }
}

/// Rotates a log as the kubelet does it.
#[derive(Debug)]
pub(crate) struct Kubelet {
    log: Arc<Log>,
    stamp: u64,
}

impl Kubelet {
    /// Packs what was rotated before, renames the log, and has the runtime go on in a new file a moment later.
    pub(crate) fn rotate(&mut self) -> Result<()> {
        self.pack()?;
        let log = self.log.path().to_owned();
        self.stamp += 1;
        fs::rename(&log, rotated(&log, self.stamp))?;
        thread::sleep(REOPENED_AFTER);
        self.log.reopen()?;
        Ok(())
    }

    /// Packs what was rotated before.
    pub(crate) fn pack(&self) -> Result<()> {
        for stamp in FIRST_STAMP + 1..=self.stamp {
            let plain = rotated(self.log.path(), stamp);
            let Ok(mut file) = fs::File::open(&plain) else { continue };
            let half = plain.with_added_extension("tmp");
            let mut packed = flate2::write::GzEncoder::new(
                fs::File::create(&half)?,
                flate2::Compression::fast(),
            );
            std::io::copy(&mut file, &mut packed)?;
            packed.finish()?;
            fs::rename(&half, plain.with_added_extension("gz"))?;
            fs::remove_file(&plain)?;
        }
        Ok(())
    }

    /// Rotates each time that the log has so many bytes, until the returned value is dropped.
    pub(crate) fn run(mut self, max_bytes: u64) -> Running {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Acquire) {
                if fs::metadata(self.log.path())?.len() >= max_bytes {
                    self.rotate()?;
                }
                thread::sleep(Duration::from_millis(10));
            }
            Ok(self.stamp - FIRST_STAMP)
        });
        Running { is_over, thread }
    }
}

/// A kubelet at work.
#[derive(Debug)]
pub(crate) struct Running {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Running {
    /// Ends it. How often it has rotated.
    pub(crate) fn stop(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Release);
        self.thread.join().map_err(|_panic| anyhow!("the kubelet panicked"))?
    }
}

fn rotated(log: &Path, stamp: u64) -> PathBuf {
    let (day, time) = (stamp / 1_000_000, stamp % 1_000_000);
    log.with_added_extension(format!("{day}-{time:06}"))
}
