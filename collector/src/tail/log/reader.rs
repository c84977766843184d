//! Reading on: block by block through a file, and from one file to the next.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::SeekFrom;

use super::Log;
use crate::record::Cut;
use crate::record::Timestamp;
use crate::tail::block::Block;
use crate::tail::file::{OpenFile, written};
use crate::tail::generation::{Follower, Source};
use crate::tail::packed::Unpacker;
use crate::tail::{Entry, Format, Invalid, Lost, Read};

/// How far the file of a log's position is looked through, which is further than its last entry.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the next record begins.
    offset: u64,
    /// Skipped since the last entry, in bytes.
    skipped_bytes: u64,
    /// The record at `offset` is the rest of one that is too long.
    is_skipping: bool,
    source: Option<Bytes>,
    /// Since when the next file is known to be written.
    followed: Option<Instant>,
}

impl Scan {
    pub(super) fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// A file's bytes.
#[derive(Debug)]
enum Bytes {
    Plain(Arc<OpenFile>),
    Packed(Box<Unpacker>),
}

/// What comes after the end of what is there.
enum Next {
    /// Nothing yet.
    Nothing,
    /// Perhaps something in a moment.
    Later,
    /// Perhaps something that was written since.
    Again,
    /// Another file. The loss before it is noted.
    File,
}

impl Log {
    pub(super) fn read_into(
        &mut self,
        block: &mut Block,
        limit_bytes: u64,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> io::Result<Read> {
        let mut read = Read::default();
        if limit_bytes == 0 || self.leave_cut_off() || self.note_loss() {
            return Ok(read);
        }
        let (mut is_checked, mut is_final, mut time) = (false, false, Timestamp::default());
        loop {
            while let Some(record) = self.next_record(block) {
                read.bytes += record.len() as u64;
                self.hand_over(block.bytes(record), time, take);
                if read.bytes >= limit_bytes {
                    return Ok(read);
                }
            }
            read.bytes += self.skip_too_long(block);
            if !self.open_source()? {
                read.at_end = !self.vanish();
                return Ok(read);
            }
            let wanted = limit_bytes - read.bytes.min(limit_bytes);
            let Some(filled) = self.fill(block, wanted)? else {
                read.at_end = !self.leave_corrupt();
                return Ok(read);
            };
            if filled > 0 && self.shared.file.format == Format::Plain {
                time = self.written()?;
            }
            let is_at_end = filled == 0;
            if (is_at_end || !is_checked) && self.is_truncated()? {
                self.begin_anew(block)?;
                continue;
            }
            is_checked = true;
            if !is_at_end {
                is_final = false;
                continue;
            }
            match self.next(is_final) {
                Next::Nothing => {
                    read.at_end = true;
                    return Ok(read);
                }
                Next::Later => return Ok(read),
                Next::Again => is_final = true,
                Next::File => {
                    read.bytes += self.finish(block, time, take);
                    let lost = self.move_on();
                    block.clear();
                    (is_checked, is_final) = (false, false);
                    if lost != Lost::NONE {
                        return Ok(read);
                    }
                }
            }
        }
    }

    /// The next whole record, with its newline.
    fn next_record(&mut self, block: &mut Block) -> Option<Range<usize>> {
        // A line of its own format may begin with NULs anywhere else.
        let may_begin_so = self.shared.file.format == Format::Plain && self.scan.offset > 0;
        if !may_begin_so && !self.scan.is_skipping {
            self.skip_nuls(block);
        }
        block.take_record()
    }

    fn skip_nuls(&mut self, block: &mut Block) {
        let mut nuls = block.take_nuls() as u64;
        if nuls > 0
            && block.len() == 0
            && let Some(Bytes::Plain(file)) = &self.scan.source
            && let Ok(data) = rustix::fs::seek(&***file, SeekFrom::Data(self.scan.offset + nuls))
        {
            nuls = data - self.scan.offset;
        }
        self.scan.offset += nuls;
        self.shared.metrics.skipped_nul_bytes.inc_by(nuls);
    }

    /// Decodes a record, and hands it over if it is one.
    fn hand_over(&mut self, record: &mut [u8], time: Timestamp, take: &mut dyn FnMut(Entry<'_>)) {
        let length = record.len() as u64;
        self.scan.offset += length;
        if std::mem::take(&mut self.scan.is_skipping) {
            return self.skipped(length);
        }
        if record.len() > self.hub.settings.max_entry_bytes {
            self.shared.metrics.invalid(Invalid::TooLong);
            return self.skipped(length);
        }
        match self.shared.file.format.decode(record, time) {
            Ok(decoded) => {
                self.position.offset_bytes = self.scan.offset;
                self.entries += 1;
                take(Entry {
                    stream: decoded.stream,
                    time: decoded.time,
                    bytes: decoded.bytes,
                    end: self.position,
                    lost_before_bytes: std::mem::take(&mut self.scan.skipped_bytes),
                });
            }
            Err(reason) => {
                self.shared.metrics.invalid(reason);
                self.skipped(length);
            }
        }
    }

    fn skipped(&mut self, bytes: u64) {
        self.scan.skipped_bytes += bytes;
        self.shared.metrics.lost_invalid_bytes.inc_by(bytes);
    }

    /// Lets go of a record that is too long already. Returns how many bytes that is.
    fn skip_too_long(&mut self, block: &mut Block) -> u64 {
        if !self.scan.is_skipping {
            if block.len() <= self.hub.settings.max_entry_bytes {
                return 0;
            }
            self.scan.is_skipping = true;
            self.shared.metrics.invalid(Invalid::TooLong);
        }
        let length = block.take_rest().len() as u64;
        self.scan.offset += length;
        self.skipped(length);
        length
    }

    /// What a file that gets no more bytes ends with: no newline. Returns its length.
    fn finish(
        &mut self,
        block: &mut Block,
        time: Timestamp,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> u64 {
        let rest = block.take_rest();
        let length = rest.len() as u64;
        if length > 0 && self.shared.file.format == Format::Plain {
            self.hand_over(block.bytes(rest), time, take);
        } else if length > 0 {
            self.shared.metrics.invalid(Invalid::Cut);
            self.skipped(length);
        }
        length
    }

    /// Opens the file of the position. Returns whether it is to be had.
    fn open_source(&mut self) -> io::Result<bool> {
        if self.scan.source.is_some() {
            return Ok(true);
        }
        let number = self.position.generation;
        let mut generations = self.shared.generations();
        let open = match generations.get(number) {
            None => None,
            Some(generation) => match &generation.source {
                Source::Open(file) => Some((Arc::clone(file), false)),
                Source::Closed | Source::Packed => self.shared.find(generation)?,
            },
        };
        drop(generations);
        self.scan.source = match open {
            Some((file, false)) => Some(Bytes::Plain(file)),
            Some((file, true)) => Some(Bytes::Packed(Box::new(Unpacker::new(file)?))),
            None => None,
        };
        Ok(self.scan.source.is_some())
    }

    /// Reads what follows the block's bytes, at most `wanted_bytes`. `None`: the rest of a packed file is not to be had.
    fn fill(&mut self, block: &mut Block, wanted_bytes: u64) -> io::Result<Option<usize>> {
        let wanted_bytes = wanted_bytes.min(self.hub.settings.block_bytes as u64) as usize;
        let offset = self.scan.offset + block.len() as u64;
        let Some(source) = &mut self.scan.source else { return Ok(None) };
        match block.fill(wanted_bytes, |buffer| source.read_at(buffer, offset)) {
            Err(_corrupt) if matches!(source, Bytes::Packed(_)) => Ok(None),
            filled => filled.map(Some),
        }
    }

    /// When the file was last written.
    fn written(&self) -> io::Result<Timestamp> {
        self.scan.source.as_ref().map_or(Ok(Timestamp::default()), Bytes::written)
    }

    /// Whether the newest file is shorter than what was read of it, or another one in the same place.
    fn is_truncated(&self) -> io::Result<bool> {
        let mut generations = self.shared.generations();
        match generations.newest() {
            Some(newest) if newest.number == self.position.generation => {
                Ok(!newest.look()? || newest.size_bytes() < self.scan.offset)
            }
            _ => Ok(false),
        }
    }

    fn begin_anew(&mut self, block: &mut Block) -> io::Result<()> {
        self.shared.metrics.truncations.inc();
        let number = self.shared.generations().renew_newest()?;
        let skipped_bytes = self.scan.skipped_bytes;
        if let Some(generation) = number {
            self.go_to(Cut { generation, offset_bytes: 0 });
        }
        self.scan.skipped_bytes = skipped_bytes;
        block.clear();
        Ok(())
    }

    /// What there is after the end of the file. `is_final`: the end was looked at since the next file was seen to be
    /// written, which is when the runtime is done with this one.
    fn next(&mut self, is_final: bool) -> Next {
        let after = self.shared.generations().after(self.position.generation);
        match after {
            None | Some((_, Follower::Empty)) => Next::Nothing,
            Some((_, Follower::Newest)) if self.lingers() => Next::Later,
            Some(_) if is_final => Next::File,
            Some(_) => Next::Again,
        }
    }

    /// Whether the runtime may not be done with the file, though the next one is written.
    fn lingers(&mut self) -> bool {
        let since = *self.scan.followed.get_or_insert_with(Instant::now);
        self.shared.file.format == Format::Cri && since.elapsed() < self.hub.settings.linger
    }

    /// Goes to the next file. Returns the loss before it, which is noted.
    fn move_on(&mut self) -> Lost {
        let mut generations = self.shared.generations();
        let next = generations.after(self.position.generation).map(|(number, _)| number);
        let lost = generations.take_lost(next);
        drop(generations);
        let skipped_bytes = self.scan.skipped_bytes;
        if let Some(generation) = next {
            self.go_to(Cut { generation, offset_bytes: 0 });
        }
        self.scan.skipped_bytes = skipped_bytes;
        self.lose(lost);
        lost
    }

    /// Notes a loss that was found only after its place was passed. Returns whether there is one.
    fn note_loss(&mut self) -> bool {
        let lost = self.shared.generations().take_lost(None);
        self.lose(lost);
        lost != Lost::NONE
    }

    /// If the file was given up while it was read, notes the loss and goes to the next one.
    fn leave_cut_off(&mut self) -> bool {
        let cut_off = self.shared.generations().cut_off.take();
        if let Some(size) = cut_off {
            let bytes = size.saturating_sub(self.scan.offset);
            self.lose(Lost { bytes, files: u64::from(bytes > 0) });
            self.move_on();
        }
        cut_off.is_some()
    }

    /// The rest of a packed file cannot be unpacked; how much that is, nobody knows. Returns whether there is another file.
    fn leave_corrupt(&mut self) -> bool {
        let number = self.position.generation;
        self.lose(Lost { bytes: 0, files: 1 });
        let mut generations = self.shared.generations();
        generations.abandon(number);
        generations.cut_off = None;
        drop(generations);
        self.move_on();
        self.position.generation != number
    }

    /// The file is not to be had any more. Returns whether there is another one to go on with.
    fn vanish(&mut self) -> bool {
        let number = self.position.generation;
        self.shared.generations().abandon(number);
        if !self.leave_cut_off() {
            self.move_on();
        }
        self.position.generation != number
    }

    fn lose(&mut self, lost: Lost) {
        self.lost.add(lost);
        self.shared.metrics.lost_abandoned_bytes.inc_by(lost.bytes);
        self.shared.metrics.lost_files.inc_by(lost.files);
    }
}

impl Bytes {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Plain(file) => file.read_at(buffer, offset),
                Self::Packed(unpacker) => unpacker.read_at(buffer, offset),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn written(&self) -> io::Result<Timestamp> {
        match self {
            Self::Plain(file) => Ok(written(&file.metadata()?)),
            Self::Packed(unpacker) => unpacker.written(),
        }
    }
}
