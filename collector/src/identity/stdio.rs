//! What a running container was given as stdout and stderr: the objects behind fds 1 and 2 of its first process.
//!
//! For containers older than the probe; of later ones the probe learns it in the kernel. Nothing is opened: a FIFO or a
//! terminal of a container must not notice that it was looked at.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::{fs, io};

use super::Process;
use super::process::is_gone;

/// First and last major number of pseudo-terminals (`UNIX98_PTY_SLAVE_MAJOR`, 8 of them).
const PTY_MAJORS: std::ops::RangeInclusive<u32> = 136..=143;

/// A pipe, FIFO or terminal, as the kernel tells one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Device of its file system as the kernel's `dev_t`: major << 20 | minor.
    pub device: u32,
    /// Its inode number.
    pub inode: u64,
}

/// The standard streams of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stdio {
    /// What fd 1 is, if it is a pipe, FIFO or terminal.
    pub stdout: Option<Object>,
    /// What fd 2 is, if it is a pipe, FIFO or terminal; equal to `stdout` for a terminal.
    pub stderr: Option<Object>,
}

impl Stdio {
    /// The standard streams of `process`; `None` if it ended meanwhile, whoever has its pid now.
    pub fn read(procfs: &Path, process: Process) -> io::Result<Option<Self>> {
        let fds = procfs.join(process.pid.to_string()).join("fd");
        let stdio = Self { stdout: object(&fds.join("1"))?, stderr: object(&fds.join("2"))? };
        // The pid meant `process` when it was found. If it does so still, it did all along.
        Ok(process.is_there(procfs)?.then_some(stdio))
    }
}

/// The object that the magic link `path` leads to, if it is one that a stream can be.
fn object(path: &Path) -> io::Result<Option<Object>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = metadata.file_type();
    let is_pty = || PTY_MAJORS.contains(&rustix::fs::major(metadata.rdev()));
    let is_stream = kind.is_fifo() || (kind.is_char_device() && is_pty());
    let device = metadata.dev();
    Ok(is_stream.then(|| Object {
        device: rustix::fs::major(device) << 20 | rustix::fs::minor(device),
        inode: metadata.ino(),
    }))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::path::Path;
    use std::process::{Command, Stdio as Given};

    use super::{Object, Stdio};
    use crate::identity::Process;

    #[test]
    fn sees_the_pipes_of_a_child_and_no_device() {
        let procfs = Path::new("/proc");
        let mut child = Command::new("cat")
            .stdin(Given::piped())
            .stdout(Given::piped())
            .stderr(Given::null())
            .spawn()
            .unwrap();
        let process = Process::read(procfs, child.id()).unwrap().unwrap();
        let pipe = rustix::fs::fstat(child.stdout.as_ref().unwrap().as_fd()).unwrap();

        let stdio = Stdio::read(procfs, process).unwrap().unwrap();
        // Pipes live on a device with major 0, so the kernel's number is the minor alone.
        let device = rustix::fs::minor(pipe.st_dev);
        assert_eq!(rustix::fs::major(pipe.st_dev), 0);
        assert_eq!(stdio.stdout, Some(Object { device, inode: pipe.st_ino }));
        assert_eq!(stdio.stderr, None);

        let later = Process { start_ticks: process.start_ticks + 1, ..process };
        assert_eq!(Stdio::read(procfs, later).unwrap(), None);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(Stdio::read(procfs, process).unwrap(), None);
    }

    #[test]
    fn a_regular_file_is_no_stream_and_a_fifo_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let fds = root.path().join("7/fd");
        std::fs::create_dir_all(&fds).unwrap();
        std::fs::write(
            root.path().join("7/stat"),
            "7 (x) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 99",
        )
        .unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let fifo = root.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        symlink(root.path().join("file"), fds.join("1")).unwrap();
        symlink(&fifo, fds.join("2")).unwrap();

        let process = Process { pid: 7, start_ticks: 99 };
        // Were the FIFO opened, this would wait for a writer for ever.
        let stdio = Stdio::read(root.path(), process).unwrap().unwrap();
        assert_eq!(stdio.stdout, None);
        let inode = std::fs::metadata(&fifo).unwrap().ino();
        assert_eq!(stdio.stderr.unwrap().inode, inode);
    }
}
