//! Every file that a log had: held open from the moment it is there, whatever rotation does to its name.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

/// Looks for new files until it is asked for them.
#[derive(Debug)]
pub(crate) struct Generations {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<File>>>,
}

impl Generations {
    /// Of the log at that path, which is there.
    pub(crate) fn watch(log: &Path) -> Result<Self> {
        let (log, is_over) = (log.to_owned(), Arc::new(AtomicBool::new(false)));
        let thread = thread::Builder::new().spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let mut files = Vec::new();
                while !is_over.load(Ordering::Acquire) {
                    look(&log, &mut files)?;
                    thread::sleep(Duration::from_millis(2));
                }
                look(&log, &mut files)?;
                Ok(files)
            }
        })?;
        Ok(Self { is_over, thread })
    }

    /// The text of all files, the oldest first, when nothing writes any more.
    pub(crate) fn texts(self) -> Result<Vec<String>> {
        self.is_over.store(true, Ordering::Release);
        let files = self.thread.join().map_err(|_panic| anyhow!("the watch panicked"))??;
        let text = |mut file: File| {
            let mut text = String::new();
            file.rewind()?;
            file.read_to_string(&mut text).context("a log that is no text")?;
            Ok(text)
        };
        files.into_iter().map(text).collect()
    }
}

/// Takes the log's file, unless it is the last one that was taken.
fn look(log: &PathBuf, files: &mut Vec<File>) -> Result<()> {
    // Between two names there is none.
    let Ok(file) = File::open(log) else { return Ok(()) };
    let inode = file.metadata()?.ino();
    let last = files.last().map(|last| last.metadata().map(|it| it.ino())).transpose()?;
    if last != Some(inode) {
        files.push(file);
    }
    Ok(())
}
