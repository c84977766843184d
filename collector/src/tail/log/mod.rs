//! One container's log: a position that moves through its files.

mod reader;
mod recent;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memchr::memrchr;

use self::reader::Scan;
use super::file::read_full_at;
use super::generation::{Generation, Source};
use super::hub::Hub;
use super::shared::Shared;
use super::{Entry, Error, LogFile, Lost, Read, Sought, Watcher};
use crate::record::{Cut, FileIdentity, Place};

/// A log that is being read. Belongs to one thread.
#[derive(Debug)]
pub struct Log {
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    /// After the last entry handed over.
    position: Cut,
    /// The file of `position`.
    file: FileIdentity,
    scan: Scan,
    lost: Lost,
    /// Entries handed over by the current call.
    entries: u64,
}

impl Log {
    /// Opens all files of the log that are there, and those that come to be there from now on. Reading begins at
    /// [`Log::beginning`].
    pub fn open(watcher: &Watcher, file: LogFile) -> Result<Self, Error> {
        let path = file.path.clone();
        let failed = |source| Error::Open { path: path.clone(), source };
        let hub = Arc::clone(&watcher.hub);
        let max_held = hub.settings.max_deleted_files;
        let shared = Arc::new(Shared::new(file, hub.metrics.clone(), max_held));
        shared.update().map_err(failed)?;
        hub.add(&shared);
        let oldest = shared.generations().iter().next().map(|it| (it.number, it.identity()));
        let Some((generation, file)) = oldest else {
            hub.remove(&shared);
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        let position = Cut { generation, offset_bytes: 0 };
        let mut log = Self {
            hub,
            shared,
            position,
            file,
            scan: Scan::default(),
            lost: Lost::NONE,
            entries: 0,
        };
        log.go_to(position);
        // What came between the first look and the watch.
        log.shared.rotated(0).map_err(failed)?;
        log.hub.bound_open_files();
        Ok(log)
    }

    /// The oldest byte that can be read.
    pub fn beginning(&self) -> Place {
        let generations = self.shared.generations();
        let oldest = generations.iter().next();
        oldest.map_or_else(
            || self.here(),
            |oldest| Place { file: oldest.identity(), offset_bytes: 0 },
        )
    }

    /// The end of the last whole entry there is now.
    pub fn end(&self) -> Result<Place, Error> {
        let mut generations = self.shared.generations();
        // A file that was just made is empty while the one before it is still written to.
        let written = generations.iter().rev().find(|generation| generation.size_bytes() > 0);
        let last = written.or_else(|| generations.iter().last()).map(|last| last.number);
        let Some(last) = last.and_then(|number| generations.get(number)) else {
            return Ok(self.here());
        };
        let offset_bytes = last.look().and_then(|_| self.last_newline(last));
        let offset_bytes = offset_bytes.map_err(|source| self.read_error(source))?;
        Ok(Place { file: last.identity(), offset_bytes })
    }

    /// Goes to `place`; see [`Sought`].
    pub fn seek(&mut self, place: &Place) -> Sought {
        let (sought, cut) = self.find(place);
        self.go_to(cut);
        sought
    }

    /// The position of `place`; none if it is not there any more.
    pub fn cut_of(&self, place: &Place) -> Option<Cut> {
        let (sought, cut) = self.find(place);
        (sought == Sought::Found).then_some(cut)
    }

    /// Where to go to for `place`.
    fn find(&self, place: &Place) -> (Sought, Cut) {
        let Place { file, offset_bytes } = *place;
        let generations = self.shared.generations();
        let is_file = |it: &&Generation| it.is(&file) && it.size_bytes() >= offset_bytes;
        let is_copy = |it: &&Generation| it.is_copy(&file, self.shared.file.format);
        let is_younger = |it: &&Generation| it.is_younger_than(&file);
        let found = generations.iter().find(is_file).or_else(|| generations.iter().find(is_copy));
        if let Some(found) = found {
            return (Sought::Found, Cut { generation: found.number, offset_bytes });
        }
        let begin = generations.iter().find(is_younger).or_else(|| generations.iter().next());
        let generation = begin.map_or(self.position.generation, |begin| begin.number);
        (Sought::Lost, Cut { generation, offset_bytes: 0 })
    }

    /// Hands over the entries of the next `limit_bytes` of the log, at least one if there is any and `limit_bytes` is not 0.
    ///
    /// Ends early where a part of the log is missing: [`Log::take_lost`] says it, and what is read next comes after it.
    pub fn read(
        &mut self,
        limit_bytes: usize,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> Result<Read, Error> {
        let mut block = self.hub.take_block();
        let read = self.read_into(&mut block, limit_bytes as u64, take);
        self.hub.keep_block(block);
        self.hub.metrics.entries.inc_by(std::mem::take(&mut self.entries));
        if let Ok(read) = &read {
            self.hub.metrics.read_bytes.inc_by(read.bytes);
        }
        read.map_err(|source| self.read_error(source))
    }

    /// After the last entry handed over.
    pub fn place(&self) -> Place {
        self.place_of(self.position).unwrap_or_else(|| self.here())
    }

    /// The place of a position, for as long as its file is not released, given up, or truncated.
    pub fn place_of(&self, cut: Cut) -> Option<Place> {
        let mut generations = self.shared.generations();
        let generation = generations.get(cut.generation)?;
        // To look is only to know it the better; a truncated file is no longer this one.
        let is_same = generation.look_if_short().unwrap_or(true);
        is_same.then(|| Place { file: generation.identity(), offset_bytes: cut.offset_bytes })
    }

    /// The position itself; see [`Log::place_of`].
    pub fn cut(&self) -> Cut {
        self.position
    }

    /// Hands over the whole entries in the last `limit_bytes` of the newest file, and if that one is shorter, of the file
    /// before it. Does not move the position, and counts nothing.
    pub fn last_entries(
        &mut self,
        limit_bytes: usize,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(), Error> {
        self.read_last(limit_bytes as u64, take).map_err(|source| self.read_error(source))
    }

    /// Closes files wholly before `place`. A position in them moves to `place`.
    pub fn release_before(&mut self, place: &Place) {
        let number = {
            let mut generations = self.shared.generations();
            let found = generations.iter().find(|generation| generation.is(&place.file));
            let Some(number) = found.map(|found| found.number) else { return };
            if self.position.generation >= number {
                generations.release_before(number);
            }
            number
        };
        if self.position.generation < number {
            self.go_to(Cut { generation: number, offset_bytes: place.offset_bytes });
            self.shared.generations().release_before(number);
        }
    }

    /// Whether writes to the newest file are to be told by [`Log::take_dirty`]. Each call costs a watch of the kernel's.
    pub fn want_modifications(&mut self, wanted: bool) {
        self.shared.is_wanted.store(wanted, Ordering::Release);
        self.shared.is_dirty.store(true, Ordering::Release);
    }

    /// Whether there may be something new since the last call. Read to the end after it: what is written later is told
    /// again.
    pub fn take_dirty(&self) -> bool {
        let is_dirty = self.shared.is_dirty.swap(false, Ordering::AcqRel);
        if is_dirty && self.shared.is_wanted.load(Ordering::Acquire) {
            self.hub.arm(&self.shared);
        }
        is_dirty
    }

    /// What was given up since the last call, of what is before the next entry.
    pub fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    fn here(&self) -> Place {
        Place { file: self.file, offset_bytes: self.position.offset_bytes }
    }

    /// Moves the position.
    fn go_to(&mut self, cut: Cut) {
        let mut generations = self.shared.generations();
        generations.reading = cut.generation;
        generations.cut_off = None;
        if let Some(generation) = generations.get(cut.generation) {
            self.file = generation.identity();
        }
        self.position = cut;
        self.scan = Scan::at(cut.offset_bytes);
    }

    fn read_error(&self, source: io::Error) -> Error {
        Error::Read { path: self.shared.file.path.clone(), source }
    }

    /// Where the last whole record of a file ends.
    fn last_newline(&self, generation: &Generation) -> io::Result<u64> {
        let mut end = generation.size_bytes();
        let Source::Open(file) = &generation.source else {
            return Ok(end);
        };
        let size = end;
        let mut bytes = vec![0; self.hub.settings.block_bytes.clamp(1, 64 << 10)];
        while end > 0 && size - end <= self.hub.settings.max_entry_bytes as u64 {
            let start = end.saturating_sub(bytes.len() as u64);
            let length = read_full_at(file, &mut bytes[..(end - start) as usize], start)?;
            if let Some(newline) = memrchr(b'\n', &bytes[..length]) {
                return Ok(start + newline as u64 + 1);
            }
            end = start;
        }
        Ok(end)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.hub.remove(&self.shared);
    }
}
