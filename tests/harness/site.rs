//! The folder in which a run keeps everything it starts, and the end of all that.

use std::ffi::OsStr;
use std::fs::{File, create_dir_all, remove_dir_all};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};

/// Ends what lives in the folder: run before a run for what an unclean end of the last one left, and after it.
const CLEANUP: &str = include_str!("cleanup.sh");
/// Carried by every process of a run, so that the cleanup knows them from all others.
const MARK: &str = "WRITETAP_E2E_SITE";

/// The one folder of this run. One run at a time: the next waits for its lock.
///
/// A shell waits on a pipe from this process and cleans up when the pipe closes, so at any end of this process: return,
/// panic, signal, `kill -9`. It holds the lock until it is done.
#[derive(Debug)]
pub(crate) struct Site {
    root: PathBuf,
    _cleanup: ChildStdin,
}

impl Site {
    /// The site, laid out on first use.
    pub(crate) fn get() -> Result<&'static Self> {
        static SITE: OnceLock<std::result::Result<Site, String>> = OnceLock::new();
        let site = SITE.get_or_init(|| Self::lay_out().map_err(|error| format!("{error:#}")));
        site.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// An empty folder of that name in the site.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        if folder.try_exists()? {
            remove_dir_all(&folder)?;
        }
        create_dir_all(&folder)
            .with_context(|| format!("failed to make `{}`", folder.display()))?;
        Ok(folder)
    }

    /// A command whose process, and whose children, the cleanup will know as this run's.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env(MARK, &self.root);
        command
    }

    fn lay_out() -> Result<Self> {
        // Short: it holds sockets, whose paths are limited to 107 bytes.
        let root = Path::new("/tmp/writetap-e2e").to_owned();
        let lock = File::create(root.with_extension("lock"))?;
        lock.lock()?;
        let cleanup = |stdin: Stdio| -> Result<_> {
            let mut command = Command::new("/bin/sh");
            // A group of its own: Ctrl-C is for this process, and its end for the shell.
            command.args(["-c", CLEANUP, "cleanup"]).arg(&root).stdin(stdin).process_group(0);
            command.stdout(lock.try_clone()?).stderr(lock.try_clone()?);
            command.spawn().context("failed to run `/bin/sh`")
        };
        let status = cleanup(Stdio::null())?.wait()?;
        ensure!(status.success(), "failed to clean up `{}`: {status}", root.display());
        create_dir_all(&root)?;
        let stdin = cleanup(Stdio::piped())?.stdin.take().context("no pipe to the cleanup")?;
        Ok(Self { root, _cleanup: stdin })
    }
}
