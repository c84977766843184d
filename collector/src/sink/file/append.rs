//! Appends whole blocks of lines to a file: all of a block, or none of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Error;

/// Owner reads and writes, group reads: log lines are not for everybody.
pub(super) const MODE: u32 = 0o640;

/// What can be appended to and cut: a file, or a test's.
pub(in crate::sink) trait Target: Write {
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Target for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// The end of a file, which is always the end of a line for a reader.
#[derive(Debug)]
pub(in crate::sink) struct Appender<T> {
    target: T,
    len: u64,
    torn: bool,
}

impl<T: Target> Appender<T> {
    fn new(target: T, len: u64) -> Self {
        Self { target, len, torn: false }
    }

    /// Length of the whole blocks in bytes.
    pub(in crate::sink) const fn len(&self) -> u64 {
        self.len
    }

    /// Appends `block`. If that fails, what came of it is cut off, now or before the next attempt.
    pub(in crate::sink) fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.mend()?;
        if block.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.target.write_all(block) {
            self.torn = true;
            // What cannot be cut now is cut before the next block; the first error says what is wrong.
            let _later = self.mend();
            return Err(error);
        }
        self.len += block.len() as u64;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.target.truncate(self.len)?;
            self.torn = false;
        }
        Ok(())
    }
}

impl Appender<File> {
    /// Opens the file for appending and locks it, or makes it. If it does not end with a newline, one is added: the line was
    /// torn by a crash, or is not ours, and the next begins on its own.
    pub(in crate::sink) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source: io::Error| match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => Error::SymbolicLink { path: path.to_owned() },
            _ => Error::Open { path: path.to_owned(), source },
        };
        if path.file_name().is_none() {
            return Err(Error::Path { path: path.to_owned() });
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(
                (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32
            )
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::NotRegular { path: path.to_owned() });
        }
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            Errno::WOULDBLOCK => Error::InUse { path: path.to_owned() },
            other => failed(other.into()),
        })?;
        let ends_line = metadata.len() == 0 || ends_with_newline(&file).map_err(failed)?;
        let mut appender = Self::new(file, metadata.len());
        if !ends_line {
            appender
                .append(b"\n")
                .map_err(|source| Error::Write { path: path.to_owned(), source })?;
        }
        Ok(appender)
    }

    /// Makes what was appended durable.
    pub(in crate::sink) fn sync(&self) -> io::Result<()> {
        self.target.sync_data()
    }

    /// Whether `path` leads to this very file.
    pub(in crate::sink) fn is_at(&self, path: &Path) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let there = std::fs::symlink_metadata(path).map(identity);
        let here = self.target.metadata().map(identity);
        matches!((there, here), (Ok(there), Ok(here)) if there == here)
    }
}

fn ends_with_newline(mut file: &File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::{Appender, Target};

    /// A disk with room for `room` bytes, which can refuse to cut.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        refuses_to_cut: bool,
    }

    impl Write for Disk {
        fn write(&mut self, block: &[u8]) -> io::Result<usize> {
            let count = block.len().min(self.room - self.bytes.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&block[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Target for Disk {
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            if self.refuses_to_cut {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(len as usize);
            Ok(())
        }
    }

    #[test]
    fn a_block_that_does_not_fit_leaves_nothing() {
        for room in 6..12 {
            let mut appender = Appender::new(Disk { room, ..Disk::default() }, 0);
            appender.append(b"first\n").unwrap();
            let error = appender.append(b"second\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert_eq!(appender.target.bytes, b"first\n");
            assert_eq!(appender.len(), 6);
            appender.target.room = 13;
            appender.append(b"second\n").unwrap();
            assert_eq!(appender.target.bytes, b"first\nsecond\n");
        }
    }

    #[test]
    fn what_could_not_be_cut_is_cut_before_the_next_block() {
        let disk = Disk { room: 8, refuses_to_cut: true, ..Disk::default() };
        let mut appender = Appender::new(disk, 0);
        appender.append(b"first\n").unwrap();
        assert_eq!(appender.append(b"second\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(appender.target.bytes, b"first\nse");
        appender.target.room = 100;
        assert_eq!(appender.append(b"second\n").unwrap_err().kind(), io::ErrorKind::Other);
        appender.target.refuses_to_cut = false;
        appender.append(b"second\n").unwrap();
        assert_eq!(appender.target.bytes, b"first\nsecond\n");
    }
}
