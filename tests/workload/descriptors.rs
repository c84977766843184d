//! Stdout under other numbers, and its number under other things.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread;

use rustix::io::{dup, dup2, fcntl_dupfd_cloexec, ioctl_fionread};
use rustix::pipe::{fcntl_getpipe_size, pipe};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::stdio::{dup2_stdout, stderr, stdout};

use super::ways::{write_lines, write_once};
use super::{body, process};

/// `count` lines through what `dup` made of stdout, as many through what `dup2` did, and `dup3`.
pub(crate) fn copied(count: u64) -> io::Result<()> {
    write_lines(dup(stdout())?, 1, count)?;
    let mut second = File::open("/dev/null")?.into();
    dup2(stdout(), &mut second)?;
    write_lines(second, 2, count)?;
    let third: OwnedFd = File::open("/dev/null")?.into();
    // SAFETY: both are open, and the number stays with `third`.
    super::call(unsafe { libc::c_long::from(libc::dup3(1, third.as_raw_fd(), libc::O_CLOEXEC)) })?;
    write_lines(third, 3, count)
}

/// `count` lines of a child without a stdout, which takes its parent's.
pub(crate) fn fetched(count: u64) -> io::Result<()> {
    let parent = getpid();
    process::fork(|| {
        close_stdout()?;
        let parent = pidfd_open(parent, PidfdFlags::empty())?;
        write_lines(pidfd_getfd(parent, 1, PidfdGetfdFlags::empty())?, 1, count)
    })?;
    process::wait_for_all()
}

/// `count` lines through fd 1, which is another pipe meanwhile; as many through a copy of the old one; and when fd 1 is that
/// again, as many through fd 1.
pub(crate) fn reused(count: u64) -> io::Result<()> {
    let kept = fcntl_dupfd_cloexec(stdout(), 7)?;
    let (_reader, other) = pipe()?;
    dup2_stdout(other)?;
    write_lines(stdout(), 1, count)?;
    write_lines(&kept, 2, count)?;
    dup2_stdout(kept)?;
    write_lines(stdout(), 3, count)
}

/// Text of `bytes`, more than the pipe holds, in one write; while that waits, fd 1 is closed, or becomes a copy of fd 2.
/// Nobody must read the pipe before this says so on stderr.
pub(crate) fn lost(bytes: u64, becomes_stderr: bool) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let kept = fcntl_dupfd_cloexec(stdout(), 7)?;
    let capacity = fcntl_getpipe_size(&kept)? as u64;
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_once(stdout(), &text));
        while ioctl_fionread(&kept)? < capacity {
            thread::yield_now();
        }
        if becomes_stderr {
            dup2_stdout(stderr())?;
        } else {
            // SAFETY: nothing refers to it but the waiting call, which keeps what it is open on.
            super::call(unsafe { libc::c_long::from(libc::close(1)) })?;
        }
        write_once(stderr(), b"gone\n")?;
        writer.join().map_err(|_panic| io::Error::other("the writer panicked"))?
    })
}

/// Makes fd 1 something else than the container's stdout.
pub(super) fn close_stdout() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(dup2_stdout(null)?)
}
