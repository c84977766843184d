//! Up to where the sink is done: 16 bytes in a file, twice, written in turn so that a torn write leaves the other.
//!
//! Not made durable each time: what survives a crash of the system may be old by its write-back time, and then batches
//! are delivered again. A crash of the process loses nothing.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::Sequence;
use super::files::Files;

const SLOT_BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Cursor {
    files: Arc<dyn Files>,
    path: PathBuf,
    saved: Option<Sequence>,
    /// Which copy is written next.
    slot: u64,
}

/// What a cursor's file said.
#[derive(Debug)]
pub(super) enum Loaded {
    /// All before this is done with.
    At(Sequence),
    /// There was none.
    New,
    /// Both copies were damaged.
    Damaged,
}

impl Cursor {
    /// Loads the cursor whose file is `path`.
    pub(super) fn load(files: Arc<dyn Files>, path: PathBuf) -> io::Result<(Self, Loaded)> {
        let mut bytes = [0; 2 * SLOT_BYTES];
        let size = match files.open_to_read(&path) {
            Ok(file) => files.read_at(&file, &mut bytes, 0)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let slots = bytes[..size].chunks(SLOT_BYTES).map(parse);
        // It only ever moves on, so the greater one is the newer.
        let newest = slots.enumerate().filter_map(|(at, sequence)| Some((sequence?, at))).max();
        let slot = newest.map_or(0, |(_, at)| 1 - at as u64);
        let saved = newest.map(|(sequence, _)| sequence);
        let loaded = match saved {
            Some(sequence) => Loaded::At(sequence),
            None if size == 0 => Loaded::New,
            None => Loaded::Damaged,
        };
        Ok((Self { files, path, saved, slot }, loaded))
    }

    /// Notes that all before `sequence` is done with.
    pub(super) fn save(&mut self, sequence: Sequence) -> io::Result<()> {
        if self.saved == Some(sequence) {
            return Ok(());
        }
        let file = self.file()?;
        let number = sequence.to_le_bytes();
        let bytes = [number, xxh3_64(&number).to_le_bytes()].concat();
        self.files.write_at(&file, &bytes, self.slot * SLOT_BYTES as u64)?;
        self.saved = Some(sequence);
        self.slot = 1 - self.slot;
        Ok(())
    }

    /// Makes what was saved durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.files.sync(&self.file()?)
    }

    fn file(&self) -> io::Result<File> {
        self.files.open(&self.path)
    }
}

fn parse(slot: &[u8]) -> Option<Sequence> {
    let (number, check) = slot.split_first_chunk()?;
    let is_whole = check == xxh3_64(number).to_le_bytes();
    is_whole.then(|| u64::from_le_bytes(*number))
}
