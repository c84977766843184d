//! One file: opened safely, read at offsets.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use prometheus_client::metrics::gauge::Gauge;
use rustix::fs::OFlags;
use xxhash_rust::xxh3::xxh3_64;

use crate::record::{Fingerprint, Timestamp};

/// The most bytes of a file's beginning that identify it.
pub(super) const FINGERPRINT_BYTES: usize = 256;

/// Opens a regular file to be read. Never waits, and follows no link at the path's end.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// When the file was made, in nanoseconds since the epoch, if its file system knows.
pub(super) fn birth_ns(metadata: &Metadata) -> Option<u64> {
    let since = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// When the file was last written.
pub(super) fn written(metadata: &Metadata) -> Timestamp {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = seconds.saturating_mul(1_000_000_000);
    Timestamp::from_nanos(nanos.saturating_add(metadata.mtime_nsec().unsigned_abs()))
}

/// A hash of a file's first bytes.
pub(super) fn fingerprint(beginning: &[u8]) -> Fingerprint {
    Fingerprint { length_bytes: beginning.len() as u16, hash: xxh3_64(beginning) }
}

/// Reads until `buffer` is full or the file ends. Returns how much was read.
pub(super) fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file that counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    open_files: Gauge,
}

impl OpenFile {
    pub(super) fn new(file: File, open_files: &Gauge) -> Self {
        open_files.inc();
        Self { file, open_files: open_files.clone() }
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.open_files.dec();
    }
}
