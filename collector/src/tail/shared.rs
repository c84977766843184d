//! What a log's reader and the watch of its directory share.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::{OpenFile, open_regular};
use super::generation::{Generation, Generations, Source};
use super::metrics::WatchError;
use super::rotation::{self, Found};
use super::{LogFile, Lost, Metrics};

/// Looks in a row at a log that is being rotated all the while.
const LOOKS: usize = 16;

/// A log's files, kept up to date by the watch.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: LogFile,
    pub(super) metrics: Metrics,
    max_held: usize,
    generations: Mutex<Generations>,
    /// Somebody wants to know of writes.
    pub(super) is_wanted: AtomicBool,
    /// The newest file was written to, or is another one.
    pub(super) is_dirty: AtomicBool,
    /// The newest file's size at the last slow look.
    pub(super) size_bytes: AtomicU64,
    /// Events that told of a new newest file, and new files that were found.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    arrivals: u64,
    appended: u64,
    missed: u64,
}

/// What is known of a file in the directory.
struct Seen {
    inode: (u64, u64),
    /// What it is, if it was not known before.
    fresh: Option<Generation>,
}

impl Shared {
    pub(super) fn new(file: LogFile, metrics: Metrics, max_held: usize) -> Self {
        Self {
            file,
            metrics,
            max_held,
            generations: Mutex::default(),
            is_wanted: AtomicBool::new(false),
            is_dirty: AtomicBool::new(true),
            size_bytes: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    /// The files. Held for moments only, never while anything waits.
    pub(super) fn generations(&self) -> MutexGuard<'_, Generations> {
        lock(&self.generations)
    }

    /// Opens what is new in the log's directory, the first time all that is there. Returns how many files were added.
    pub(super) fn update(&self) -> io::Result<u64> {
        let mut generations = self.generations();
        // It may have been empty when it was last looked at, and be packed by now.
        if let Some(newest) = generations.newest() {
            newest.look_if_short()?;
        }
        let mut seen = self.look(&generations)?;
        // Everything before a known file is older than that one, and was released.
        let known = seen.iter().rposition(|file| file.fresh.is_none());
        let fresh = seen.drain(known.map_or(0, |known| known + 1)..).filter_map(|file| file.fresh);
        let mut added = 0;
        for generation in fresh {
            generations.append(generation);
            added += 1;
        }
        while generations.held() > self.max_held {
            self.close_oldest(&mut generations)?;
        }
        if added > 0 {
            self.is_dirty.store(true, Ordering::Release);
        }
        Ok(added)
    }

    /// Closes the oldest file that is held besides the newest. If it is nowhere to be found again, it is given up.
    pub(super) fn close_oldest(&self, generations: &mut Generations) -> io::Result<()> {
        let Some(oldest) = generations.oldest_held() else { return Ok(()) };
        if oldest.is_unlinked() && self.find(oldest)?.is_none() {
            let number = oldest.number;
            generations.abandon(number);
        } else {
            oldest.close();
        }
        Ok(())
    }

    /// Whether the newest file's size is another one than at the last call.
    pub(super) fn is_written(&self) -> bool {
        let size_bytes = self.generations().newest().map_or(0, |newest| newest.size_bytes());
        self.size_bytes.swap(size_bytes, Ordering::Relaxed) != size_bytes
    }

    /// Whether the log's name is another file's than the newest that is known.
    pub(super) fn is_replaced(&self) -> bool {
        let Ok(metadata) = self.file.path.symlink_metadata() else {
            return false;
        };
        let inode = Some((metadata.dev(), metadata.ino()));
        self.generations().newest().map(|newest| newest.inode_pair()) != inode
    }

    /// [`Shared::update`] after `created` events of the log's name. A file that is renamed over the log, as conmon does, is
    /// found like any other, and counts as if it had been created: one that came and went unseen may hide behind it.
    pub(super) fn rotated(&self, created: u64) -> io::Result<()> {
        let added = self.update()?;
        self.metrics.rotations.inc_by(added);
        let mut told = lock(&self.told);
        told.arrivals += created;
        told.appended += added;
        let missed = told.arrivals.saturating_sub(told.appended + told.missed);
        if missed > 0 {
            told.missed += missed;
            self.generations().lose(Lost { bytes: 0, files: missed });
        }
        Ok(())
    }

    /// The files in the directory, the oldest first, those that vanish meanwhile included.
    fn look(&self, known: &Generations) -> io::Result<Vec<Seen>> {
        let mut seen: Vec<Seen> = Vec::new();
        let mut listed = rotation::list(&self.file.path)?;
        for _look in 0..LOOKS {
            let mut ordered = Vec::with_capacity(listed.len());
            for found in &listed {
                if let Some(index) = seen.iter().position(|file| file.inode == found.inode) {
                    ordered.push(seen.remove(index));
                } else if let Some(file) = self.see(found, known)? {
                    ordered.push(file);
                }
            }
            // What remains was there before and is gone: older than all others.
            seen.append(&mut ordered);
            // A rotation in the middle of this may have hidden a file behind names that were looked at already.
            let again = rotation::list(&self.file.path)?;
            if again == listed {
                break;
            }
            listed = again;
        }
        Ok(seen)
    }

    fn see(&self, found: &Found, known: &Generations) -> io::Result<Option<Seen>> {
        let is_open = |generation: &Generation| matches!(generation.source, Source::Open(_));
        let is_inode = |generation: &Generation| generation.inode_pair() == found.inode;
        if known.iter().any(|generation| is_open(generation) && is_inode(generation)) {
            return Ok(Some(Seen { inode: found.inode, fresh: None }));
        }
        let file = match open_regular(&found.path) {
            Ok(file) => Arc::new(OpenFile::new(file, &self.metrics.open_files)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let fresh = match Generation::new(file, found.is_packed) {
            Ok(fresh) => fresh,
            // A packed file that is cut off or none.
            Err(_corrupt) if found.is_packed => {
                self.metrics.watch_failed(WatchError::Files);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let inode = fresh.inode_pair();
        let is_known = known.iter().any(|generation| fresh.is_same(generation, self.file.format));
        Ok(Some(Seen { inode, fresh: (!is_known).then_some(fresh) }))
    }

    /// Opens a file of the log by one of its names, or packed, if it is there. Returns it and whether it is packed.
    pub(super) fn find(&self, wanted: &Generation) -> io::Result<Option<(Arc<OpenFile>, bool)>> {
        // The youngest first: a rotation meanwhile makes files older.
        for found in rotation::list(&self.file.path)?.iter().rev() {
            if found.inode != wanted.inode_pair() && !found.is_packed {
                continue;
            }
            let Ok(file) = open_regular(&found.path) else {
                continue;
            };
            let file = Arc::new(OpenFile::new(file, &self.metrics.open_files));
            let candidate = Generation::new(Arc::clone(&file), found.is_packed);
            if candidate.is_ok_and(|candidate| candidate.is_same(wanted, self.file.format)) {
                return Ok(Some((file, found.is_packed)));
            }
        }
        Ok(None)
    }
}

/// Locks whatever happened to another holder: what is behind the stage's locks is whole between statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
