//! Bytes that a process moved to its stream without having them in memory: where they came from, and reading them there.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FileType, Mode, OFlags, fstat, major, minor, open};

/// The most that is read of one call. Default: 64 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// Bytes handed over at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A place in a regular file that a process has open, on a file system of this node's own kernel: the probe made sure that no
/// process can keep its reader waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The process.
    pub pid: u32,
    /// As which descriptor it has the file open.
    pub fd: i32,
    /// The file's inode number.
    pub inode: u64,
    /// The device of its file system, as the kernel's `dev_t`.
    pub device: u32,
    /// Where in it the bytes begin.
    pub position: u64,
}

impl FileRange {
    /// Hands over up to `bytes` of it, in pieces, and returns how many there were: none if the process is gone or has
    /// something else open there by now, less than all if the file is shorter by now.
    pub fn read(&self, bytes: u64, mut take: impl FnMut(&[u8])) -> u64 {
        let Some(file) = self.open() else { return 0 };
        let bytes = bytes.min(MAX_BYTES);
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(bytes).unwrap_or(PIECE_BYTES))];
        let mut read_bytes = 0;
        while read_bytes < bytes {
            let left = usize::try_from(bytes - read_bytes).unwrap_or(PIECE_BYTES);
            let wanted = left.min(PIECE_BYTES);
            match file.read_at(&mut piece[..wanted], self.position + read_bytes) {
                Ok(0) => break,
                Ok(length) => {
                    take(&piece[..length]);
                    read_bytes += length as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_unreadable) => break,
            }
        }
        read_bytes
    }

    /// The file, if it is still what the descriptor is open on. Nothing else is ever opened: to look at what is behind a
    /// descriptor takes no more than its path.
    fn open(&self) -> Option<File> {
        let path = format!("/proc/{}/fd/{}", self.pid, self.fd);
        let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let status = fstat(&found).ok()?;
        let is_regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if !is_regular || status.st_ino != self.inode || !self.is_on(status.st_dev) {
            return None;
        }
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        open(path, flags, Mode::empty()).ok().map(File::from)
    }

    /// Whether `device`, as `stat` tells it, is the file's. File systems without a disk of their own may tell each of
    /// their parts as another one: Btrfs its subvolumes, overlay its layers.
    fn is_on(&self, device: u64) -> bool {
        let (device, own) =
            ((major(device), minor(device)), (self.device >> 20, self.device & 0xf_ffff));
        device == own || (device.0 == 0 && own.0 == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use rustix::fs::{fstat, major, minor};
    use rustix::pipe::pipe;

    use super::{FileRange, MAX_BYTES, PIECE_BYTES};

    fn range(file: &File) -> FileRange {
        let status = fstat(file.as_fd()).unwrap();
        FileRange {
            pid: std::process::id(),
            fd: file.as_raw_fd(),
            inode: status.st_ino,
            device: major(status.st_dev) << 20 | minor(status.st_dev),
            position: 0,
        }
    }

    fn read(range: FileRange, bytes: u64) -> (u64, Vec<u8>) {
        let mut read = Vec::new();
        let count = range.read(bytes, |piece| read.extend_from_slice(piece));
        (count, read)
    }

    #[test]
    fn reads_a_range_and_no_more_than_there_is() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..3 * PIECE_BYTES).map(|at| (at % 251) as u8).collect();
        file.write_all(&text).unwrap();
        let all = text.len() as u64;
        for (position, bytes) in [(0, 0), (0, 1), (0, all), (7, all - 7), (PIECE_BYTES as u64, 9)] {
            let (from, to) = (position as usize, (position + bytes) as usize);
            let expected = (bytes, text[from..to].to_vec());
            assert_eq!(read(FileRange { position, ..range(&file) }, bytes), expected);
        }
        assert_eq!(read(range(&file), all + 1), (all, text));
        assert_eq!(read(FileRange { position: all, ..range(&file) }, 1), (0, Vec::new()));
    }

    #[test]
    fn reads_no_more_of_one_call_than_the_limit() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(range(&file).read(MAX_BYTES, |_| {}), MAX_BYTES);
        assert_eq!(range(&file).read(MAX_BYTES + 1, |_| {}), MAX_BYTES);
    }

    #[test]
    fn opens_nothing_but_the_file_that_it_was() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1).unwrap();
        let right = range(&file);
        assert_eq!(read(right, 1).0, 1);
        let other = tempfile::tempfile().unwrap();
        let (pipe, _end) = pipe().unwrap();
        for wrong in [
            FileRange { inode: right.inode + 1, ..right },
            FileRange { device: right.device ^ (8 << 20), ..right },
            FileRange { fd: other.as_raw_fd(), ..right },
            FileRange { fd: pipe.as_raw_fd(), ..right },
            FileRange { fd: -1, ..right },
            FileRange { pid: 0, ..right },
        ] {
            assert_eq!(read(wrong, 1), (0, Vec::new()), "{wrong:?}");
        }
    }
}
