//! Reads the frames of one segment; what is damaged is passed over up to the next whole frame.

use std::io;

use memchr::memmem;

use super::Sequence;
use super::frame::{self, FRAME_MAGIC, HEADER_BYTES, Header, Opening, PROLOGUE_BYTES};

/// How much is looked through at a time for the next whole frame.
const SEARCH_BYTES: usize = 64 << 10;

/// Bytes to read from: a file, or a test's.
pub trait Source {
    /// How many there are.
    fn size(&self) -> io::Result<u64>;
    /// Reads up to `bytes.len()` from `offset` on; fewer only at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let size = rest.len().min(bytes.len());
        bytes[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }
}

/// A segment, read from its beginning.
#[derive(Debug)]
pub struct Segment<S> {
    source: S,
    /// None: the prologue is damaged, so no frame can be told.
    seed: Option<u64>,
    offset: u64,
}

/// A segment is of a version that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVersion(pub u32);

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The frame of this number; its body was read.
    Frame(Sequence),
    /// So many bytes are damaged, and are passed over.
    Corrupt(u64),
    /// Nothing more.
    End,
}

impl<S: Source> Segment<S> {
    /// Reads the prologue.
    pub fn open(source: S) -> io::Result<Result<Self, UnknownVersion>> {
        let mut bytes = [0; PROLOGUE_BYTES];
        let size = source.read_at(&mut bytes, 0)?;
        let seed = match frame::opening(&bytes[..size]) {
            Opening::Seed(seed) => Some(seed),
            Opening::Damaged => None,
            Opening::Version(version) => return Ok(Err(UnknownVersion(version))),
        };
        let offset = if seed.is_some() { PROLOGUE_BYTES as u64 } else { 0 };
        Ok(Ok(Self { source, seed, offset }))
    }

    /// Where the next step begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame from number `wanted` on, its body read into `body`; those before it are passed over.
    pub fn next(&mut self, wanted: Sequence, body: &mut Vec<u8>) -> io::Result<Step> {
        loop {
            let rest = self.source.size()?.saturating_sub(self.offset);
            if rest == 0 {
                return Ok(Step::End);
            }
            let Some(seed) = self.seed else { return Ok(self.corrupt(rest)) };
            let mut bytes = [0; HEADER_BYTES];
            self.source.read_at(&mut bytes, self.offset)?;
            let Some(header) = Header::read(&bytes, seed) else {
                let skip = self.search(seed, rest)?;
                return Ok(self.corrupt(skip));
            };
            let frame_bytes = header.frame_bytes();
            if frame_bytes > rest {
                return Ok(self.corrupt(rest));
            }
            if header.sequence() < wanted {
                self.offset += frame_bytes;
                continue;
            }
            body.resize(frame_bytes as usize - HEADER_BYTES, 0);
            let size = self.source.read_at(body, self.offset + HEADER_BYTES as u64)?;
            if size < body.len() || !header.is_of(body, seed) {
                return Ok(self.corrupt(frame_bytes));
            }
            self.offset += frame_bytes;
            return Ok(Step::Frame(header.sequence()));
        }
    }

    fn corrupt(&mut self, bytes: u64) -> Step {
        self.offset += bytes;
        Step::Corrupt(bytes)
    }

    /// How far the next whole header is from here, or the end.
    fn search(&self, seed: u64, rest: u64) -> io::Result<u64> {
        let mut window = vec![0; SEARCH_BYTES];
        let mut skip = 1;
        while skip < rest {
            let size = self.source.read_at(&mut window, self.offset + skip)?;
            let window = &window[..size];
            let found = memmem::find_iter(window, &FRAME_MAGIC)
                .find(|&at| Header::read(&window[at..], seed).is_some());
            if let Some(at) = found {
                return Ok((skip + at as u64).min(rest));
            }
            if size < SEARCH_BYTES {
                break;
            }
            // A header may lie across the edge.
            skip += (SEARCH_BYTES - HEADER_BYTES + 1) as u64;
        }
        Ok(rest)
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
