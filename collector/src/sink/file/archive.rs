//! Rotated files: their names, which of them to keep, and the thread that deletes and compresses.
//!
//! A rotated `app.log` is `app.log.20261123T101453Z-0000`, with `.gz` or `.zst` once compressed: names sort by age. What there
//! is to do is read off the directory each time, so that a crash leaves nothing undone for longer than to the next start. It
//! is read by the thread that rotates: the other never sees a file that is still written to.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, TrySendError, bounded};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tracing::warn;

use super::compress::{COMPRESSED, TEMPORARY, compress, extension, with_extension};
use super::{Compression, Error, SinkMetrics};
use crate::record::Timestamp;

/// Rotations of one second that find a name.
const MAX_COUNTER: u32 = 9999;
/// The form of a rotated name after the file's own and a dot.
const STAMP: &[u8] = b"00000000T000000Z-0000";

/// The rotated files of one path.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    keep: usize,
    compression: Compression,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    due: bool,
    /// Time and counter of the newest rotated name.
    last: Option<(Timestamp, u32)>,
}

/// What is to be done in the directory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Job {
    delete: Vec<PathBuf>,
    compress: Vec<PathBuf>,
}

impl Archive {
    /// Starts the thread, with what a former run left to do.
    pub(super) fn open(
        path: &Path,
        keep: usize,
        compression: Compression,
        metrics: SinkMetrics,
    ) -> Result<Self, Error> {
        let (sender, jobs) = bounded::<Job>(1);
        let mut failed = false;
        let mut work = move |job: Job| {
            if let Err(error) = job.run(compression) {
                metrics.rotation_errors.inc();
                if !std::mem::replace(&mut failed, true) {
                    warn!(%error, "failed to delete or compress a rotated file; tried again later");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("rotated-files".to_owned())
            .spawn(move || jobs.iter().for_each(&mut work))
            .map_err(|source| Error::Thread { path: path.to_owned(), source })?;
        let mut archive = Self {
            path: path.to_owned(),
            keep,
            compression,
            jobs: Some(sender),
            thread: Some(thread),
            due: true,
            last: None,
        };
        archive
            .remove_temporaries()
            .and_then(|()| archive.tend())
            .map_err(|source| Error::Open { path: path.to_owned(), source })?;
        Ok(archive)
    }

    /// Renames the file to its rotated name, which is nobody else's and sorts after those before, whatever the clock does.
    pub(super) fn take(&mut self, now: Timestamp) -> io::Result<()> {
        let (stamp, first) = match self.last {
            Some((stamp, counter)) if second(now) <= second(stamp) => (stamp, counter + 1),
            _ => (now, 0),
        };
        for counter in first..=MAX_COUNTER {
            let rotated = rotated_path(&self.path, stamp, counter);
            if COMPRESSED.iter().any(|extension| is_there(&with_extension(&rotated, extension))) {
                continue;
            }
            match renameat_with(CWD, &self.path, CWD, &rotated, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
                Ok(()) => {
                    self.last = Some((stamp, counter));
                    self.due = true;
                    return Ok(());
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Hands what is to be done to the thread; later if it is busy. To be called only when no rotated file is written to.
    pub(super) fn tend(&mut self) -> io::Result<()> {
        if !self.due {
            return Ok(());
        }
        let job = self.plan()?;
        if let Some(jobs) = self.jobs.as_ref().filter(|_| job != Job::default()) {
            self.due = matches!(jobs.try_send(job), Err(TrySendError::Full(_)));
        } else {
            self.due = false;
        }
        Ok(())
    }

    /// Waits for the thread to end what it does.
    pub(super) fn close(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that deletes and compresses rotated files has panicked");
        }
    }

    fn plan(&self) -> io::Result<Job> {
        let mut rotated = self.list(|suffix| {
            suffix.is_empty() || COMPRESSED.iter().any(|compressed| suffix == compressed.as_bytes())
        })?;
        rotated.sort();
        let surplus = if self.keep == 0 { 0 } else { rotated.len().saturating_sub(self.keep) };
        let delete = rotated.drain(..surplus).collect();
        let is_plain = |path: &PathBuf| {
            let name = path.as_os_str().as_bytes();
            !COMPRESSED.iter().any(|compressed| name.ends_with(compressed.as_bytes()))
        };
        let compress = match extension(self.compression) {
            None => Vec::new(),
            Some(_) => rotated.into_iter().filter(is_plain).collect(),
        };
        Ok(Job { delete, compress })
    }

    fn remove_temporaries(&self) -> io::Result<()> {
        self.list(|suffix| suffix == TEMPORARY.as_bytes())?
            .iter()
            .try_for_each(std::fs::remove_file)
    }

    /// Files with a rotated name whose end after the stamp is wanted.
    fn list(&self, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Vec<PathBuf>> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(Vec::new());
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let prefix = [name.as_bytes(), b"."].concat();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let name: OsString = entry?.file_name();
            let suffix = name.as_bytes().strip_prefix(&*prefix).and_then(after_stamp);
            if suffix.is_some_and(&wanted) {
                found.push(self.path.with_file_name(&name));
            }
        }
        Ok(found)
    }
}

impl Job {
    fn run(self, compression: Compression) -> io::Result<()> {
        // A job planned while the last one ran may hold what that has done already.
        let gone_is_fine = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        let Self { delete, compress: plain } = self;
        delete.iter().try_for_each(|path| gone_is_fine(std::fs::remove_file(path)))?;
        plain.iter().try_for_each(|path| gone_is_fine(compress(path, compression)))
    }
}

fn second(time: Timestamp) -> u64 {
    time.as_nanos() / 1_000_000_000
}

/// What cannot be looked at is taken for being there.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or_else(|e| e.kind() != io::ErrorKind::NotFound, |_| true)
}

fn rotated_path(path: &Path, now: Timestamp, counter: u32) -> PathBuf {
    let time = now.to_string();
    let time: String = time.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{time}Z-{counter:04}"));
    name.into()
}

/// What follows the stamp of a rotated name.
fn after_stamp(name: &[u8]) -> Option<&[u8]> {
    let (stamp, suffix) = name.split_at_checked(STAMP.len())?;
    let fits = |(byte, pattern): (&u8, &u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        literal => byte == literal,
    };
    stamp.iter().zip(STAMP).all(fits).then_some(suffix)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Archive, Job, after_stamp, rotated_path};
    use crate::record::Timestamp;
    use crate::sink::Metrics;
    use crate::sink::file::Compression;

    #[test]
    fn names_sort_by_age_and_are_recognised() {
        let name = |nanos, counter| {
            rotated_path(Path::new("/x/app.log"), Timestamp::from_nanos(nanos), counter)
        };
        let first = name(1_700_000_000_999_999_999, 0);
        assert_eq!(first, Path::new("/x/app.log.20231114T221320Z-0000"));
        assert!(first < name(1_700_000_000_000_000_000, 1));
        assert!(name(1_700_000_000_000_000_000, 9999) < name(1_700_000_001_000_000_000, 0));
        assert_eq!(after_stamp(b"20231114T221320Z-0000"), Some(&b""[..]));
        assert_eq!(after_stamp(b"20231114T221320Z-0000.gz"), Some(&b".gz"[..]));
        for other in ["", "1", "20231114T221320Z-000", "20231114-221320Z-0000", "bak"] {
            assert_eq!(after_stamp(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_name_is_never_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let metrics = Metrics::default().sink("main");
        let mut archive = Archive::open(&path, 0, Compression::None, metrics).unwrap();
        let mut take = |nanos| {
            std::fs::write(&path, "x\n").unwrap();
            archive.take(Timestamp::from_nanos(nanos)).unwrap();
            let mut names = std::fs::read_dir(directory.path()).unwrap();
            let name = names.find_map(|entry| {
                let path = entry.unwrap().path();
                (path.extension().unwrap() != "gz").then_some(path)
            });
            let name = name.unwrap();
            std::fs::remove_file(&name).unwrap();
            name.extension().unwrap().to_str().unwrap().to_owned()
        };
        let taken = rotated_path(&path, Timestamp::from_nanos(0), 0);
        std::fs::write(super::with_extension(&taken, ".gz"), "").unwrap();
        assert_eq!(take(0), "19700101T000000Z-0001");
        assert_eq!(take(999_999_999), "19700101T000000Z-0002");
        assert_eq!(take(2_000_000_000), "19700101T000002Z-0000");
        assert_eq!(take(1_000_000_000), "19700101T000002Z-0001");
    }

    #[test]
    fn plans_for_its_own_files_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let names = [
            "app.log",
            "app.log.20200101T000000Z-0000.gz",
            "app.log.20200101T000000Z-0001",
            "app.log.20200102T000000Z-0000",
            "app.log.20200102T000000Z-0000.tmp",
            "app.log.20200102T000000Z-0000.bak",
            "app.log.bak",
            "other.log.20200101T000000Z-0000",
        ];
        let paths = names.map(|name| directory.path().join(name));
        for path in &paths {
            std::fs::write(path, "x\n").unwrap();
        }
        let open = |keep, compression| {
            let metrics = Metrics::default().sink("main");
            let mut archive = Archive::open(&path, keep, compression, metrics).unwrap();
            archive.close();
            archive
        };
        let all = open(0, Compression::None);
        assert!(!paths[4].try_exists().unwrap());
        assert_eq!(all.plan().unwrap(), Job::default());
        let two = Archive { keep: 2, compression: Compression::Gzip, ..all };
        let delete = vec![paths[1].clone()];
        let compress = vec![paths[2].clone(), paths[3].clone()];
        assert_eq!(two.plan().unwrap(), Job { delete, compress });
        open(1, Compression::Zstd);
        let left = paths.iter().filter(|path| path.try_exists().unwrap());
        assert!(left.eq([&paths[0], &paths[5], &paths[6], &paths[7]]));
        assert!(directory.path().join(format!("{}.zst", names[3])).try_exists().unwrap());
    }
}
