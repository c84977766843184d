//! What a container's stdout can be, and what came out of it.

use std::env::temp_dir;
use std::fs::{self, File};
use std::io::{Error, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Result, anyhow};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::container::{Container, finish, new_id};

/// What stdout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Pipe,
    /// A pipe that keeps each write for itself (`O_DIRECT`).
    Packets,
    Fifo,
    Terminal,
    /// A regular file, which the container's program opens.
    File,
    /// The same with `O_APPEND`.
    Append,
}

impl Object {
    /// The first part of the names of its tests.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Packets => "packets",
            Self::Fifo => "fifo",
            Self::Terminal => "terminal",
            Self::File => "file",
            Self::Append => "append",
        }
    }

    /// Whether it is a stream, not a file.
    pub(crate) const fn is_stream(self) -> bool {
        !matches!(self, Self::File | Self::Append)
    }

    /// What it shows of a text.
    pub(crate) fn shown(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Terminal => {
                text.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
            }
            _ => text.to_owned(),
        }
    }

    /// Runs the workload to its end with this as stdout; all that it shows then.
    pub(crate) fn run(self, container: &Container, command: &[&str]) -> Result<Vec<u8>> {
        let (reader, writer) = match self {
            Self::Pipe => return Ok(container.run(command)?.stdout),
            Self::Packets => pipe_with(PipeFlags::DIRECT)?,
            Self::Fifo => fifo()?,
            Self::Terminal => terminal()?,
            Self::File | Self::Append => return self.into_file(container, command),
        };
        // Of a terminal both streams are one object, as containers have it.
        let stderr =
            if self == Self::Terminal { writer.try_clone()?.into() } else { Stdio::piped() };
        let child = container.start(command, [writer.into(), stderr])?;
        let mut reader = File::from(reader);
        let reader = thread::spawn(move || {
            // A read gets one packet, and loses what it has no room for.
            let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
            // A terminal ends by an error, once the other side is closed everywhere.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                shown.extend_from_slice(&buffer[..length]);
            }
            shown
        });
        finish(child)?;
        reader.join().map_err(|_panic| anyhow!("the reader panicked"))
    }

    fn into_file(self, container: &Container, command: &[&str]) -> Result<Vec<u8>> {
        let path = directory().join(new_id());
        let name = path.to_string_lossy();
        let into = if self == Self::Append { "appending" } else { "into" };
        let ran = container.run(&[&[into, &name], command].concat());
        let text = fs::read(&path);
        let _absent = fs::remove_file(&path);
        ran?;
        Ok(text?)
    }
}

/// Where files are made. A file's number must be new, for the probe announces each once, and other file systems than this give
/// numbers again.
pub(crate) fn directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { temp_dir() }
}

/// Both ends of a pipe with a name, which it has no more.
fn fifo() -> Result<(OwnedFd, OwnedFd)> {
    let path = temp_dir().join(new_id());
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0)?;
    // With the other flag, it would wait for a writer.
    let reader = open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let writer = open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    fs::remove_file(&path)?;
    rustix::fs::fcntl_setfl(&reader, OFlags::empty())?;
    Ok((reader, writer))
}

/// Both ends of a terminal.
fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let terminal = File::options().read(true).write(true).open("/dev/ptmx")?;
    let unlock = 0_i32;
    // SAFETY: the descriptor is open; the calls read one `int`, and make a descriptor that is owned from there on.
    let slave = unsafe {
        if libc::ioctl(terminal.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) != 0 {
            return Err(Error::last_os_error().into());
        }
        let slave = libc::ioctl(
            terminal.as_raw_fd(),
            libc::TIOCGPTPEER,
            libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
        );
        if slave < 0 {
            return Err(Error::last_os_error().into());
        }
        OwnedFd::from_raw_fd(slave)
    };
    Ok((terminal.into(), slave))
}
