//! The bytes of a file that are being split into records.

use std::io;
use std::ops::Range;

use memchr::memchr;

/// The least that is read at once, in bytes.
pub(super) const MIN_BYTES: usize = 4096;

/// A stretch of a file. Kept for the next log when one is done.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much from `start` on holds no newline.
    searched: usize,
}

impl Block {
    /// Forgets all bytes.
    pub(super) fn clear(&mut self) {
        (self.start, self.end, self.searched) = (0, 0, 0);
    }

    /// Gives back what a long record made it allocate.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.clear();
        if self.buffer.len() > bytes.max(MIN_BYTES) {
            self.buffer = Vec::new();
        }
    }

    /// Bytes that are not taken yet.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Reads at most `bytes` behind those it has.
    pub(super) fn fill(
        &mut self,
        bytes: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let wanted = self.end + bytes.max(MIN_BYTES);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let length = read(&mut self.buffer[self.end..wanted])?;
        self.end += length;
        Ok(length)
    }

    /// Takes the NULs it begins with. Returns how many.
    pub(super) fn take_nuls(&mut self) -> usize {
        let bytes = &self.buffer[self.start..self.end];
        let nuls = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
        if nuls > 0 {
            self.skip(nuls);
        }
        nuls
    }

    /// Takes the first record, with its newline.
    pub(super) fn take_record(&mut self) -> Option<Range<usize>> {
        let Some(newline) = memchr(b'\n', &self.buffer[self.start + self.searched..self.end])
        else {
            self.searched = self.len();
            return None;
        };
        let record = self.start..self.start + self.searched + newline + 1;
        self.skip(record.len());
        Some(record)
    }

    /// Takes all bytes.
    pub(super) fn take_rest(&mut self) -> Range<usize> {
        let rest = self.start..self.end;
        self.skip(rest.len());
        rest
    }

    /// The bytes of a record that was taken last.
    pub(super) fn bytes(&mut self, record: Range<usize>) -> &mut [u8] {
        &mut self.buffer[record]
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.searched = 0;
    }
}
