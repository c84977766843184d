//! A file that was compressed by gzip after its rotation: read from its beginning to its end.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::file::{FINGERPRINT_BYTES, OpenFile, read_full_at, written};
use crate::record::Timestamp;

/// What ends a gzip file: a checksum, and the length of what is packed.
const LENGTH_BYTES: u64 = 4;

/// The bytes that are packed in a file.
#[derive(Debug)]
pub(super) struct Unpacker {
    file: Arc<OpenFile>,
    decoder: MultiGzDecoder<File>,
    offset: u64,
}

impl Unpacker {
    pub(super) fn new(file: Arc<OpenFile>) -> io::Result<Self> {
        Ok(Self { decoder: decoder(&file)?, file, offset: 0 })
    }

    /// Reads what is at `offset` of the unpacked bytes. To go back is to begin anew.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.offset {
            self.decoder = decoder(&self.file)?;
            self.offset = 0;
        }
        let ahead = offset - self.offset;
        self.offset += io::copy(&mut self.decoder.by_ref().take(ahead), &mut io::sink())?;
        if self.offset < offset {
            return Ok(0);
        }
        let length = self.decoder.read(buffer)?;
        self.offset += length as u64;
        Ok(length)
    }

    /// When the file was packed.
    pub(super) fn written(&self) -> io::Result<Timestamp> {
        Ok(written(&self.file.metadata()?))
    }
}

fn decoder(file: &File) -> io::Result<MultiGzDecoder<File>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(MultiGzDecoder::new(file))
}

/// The first of the packed bytes.
pub(super) fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut beginning = Vec::with_capacity(FINGERPRINT_BYTES);
    decoder(file)?.take(FINGERPRINT_BYTES as u64).read_to_end(&mut beginning)?;
    Ok(beginning)
}

/// How many bytes are packed: what the file says at its end, which is the number modulo 4 GiB.
pub(super) fn size(file: &File) -> io::Result<u64> {
    let mut length = [0; LENGTH_BYTES as usize];
    let offset = file.metadata()?.len().saturating_sub(LENGTH_BYTES);
    read_full_at(file, &mut length, offset)?;
    Ok(u32::from_le_bytes(length).into())
}
