//! Output that nobody reads: fd 1 is something else than what the runtime gave the container.

use std::fs::File;
use std::io::{self, IoSlice, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::slice;

use rustix::io::{Errno, fcntl_dupfd_cloexec, write, writev};
use rustix::pipe::pipe;
use rustix::stdio::{dup2_stdout, stdout};

use super::ways::{write_lines, write_once};
use super::{body, process};

/// Runs the command with another fd 1: `null` is `/dev/null`, `terminal` one that this program reads.
pub(crate) fn nowhere(place: &str, command: &[&str]) -> io::Result<()> {
    match place {
        "null" => dup2_stdout(null()?)?,
        "terminal" => {
            let mut outside = File::options().read(true).write(true).open("/dev/ptmx")?;
            // First, or the child would keep the inside open.
            process::fork(|| {
                // It ends by an error, once the other side is closed everywhere.
                let _closed = outside.read_to_end(&mut Vec::new());
                Ok(())
            })?;
            dup2_stdout(inside_of(&outside)?)?;
        }
        _ => return Err(io::Error::other(format!("no such place: {place}"))),
    }
    super::run(command)
}

/// Lines into a pipe without a reader: the odd by `write`, the even by `writev`, a byte a segment.
pub(crate) fn unread(count: u64) -> io::Result<()> {
    dup2_stdout(pipe()?.1)?;
    for number in 1..=count {
        let line = [&body::line(1, number)[..], b"\n"].concat();
        let result = if number % 2 == 1 {
            write(stdout(), &line)
        } else {
            let segments: Vec<_> = line.chunks(1).map(IoSlice::new).collect();
            writev(stdout(), &segments)
        };
        if result != Err(Errno::PIPE) {
            return Err(io::Error::other(format!("not refused: {result:?}")));
        }
    }
    Ok(())
}

/// A line of a child into such a pipe, which kills it.
pub(crate) fn killed() -> io::Result<()> {
    dup2_stdout(pipe()?.1)?;
    process::fork(|| {
        // SAFETY: the default, which Rust's programs begin without.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        write_lines(stdout(), 1, 1)
    })?;
    let (_, status) = rustix::process::wait(rustix::process::WaitOptions::empty())?
        .ok_or(io::ErrorKind::NotFound)?;
    match status.terminating_signal() {
        Some(libc::SIGPIPE) => Ok(()),
        _ => Err(io::Error::other(format!("the child ended otherwise: {status:?}"))),
    }
}

/// Lines to what looks like nowhere, and is not: `/dev/null` as another descriptor than 1 and 2; a pipe that is read, a full
/// device, and a socket, as fd 1.
pub(crate) fn elsewhere(count: u64) -> io::Result<()> {
    write_lines(fcntl_dupfd_cloexec(null()?, 7)?, 1, count)?;
    let (reader, writer) = pipe()?;
    dup2_stdout(writer)?;
    write_lines(stdout(), 1, count)?;
    dup2_stdout(File::options().write(true).open("/dev/zero")?)?;
    write_lines(stdout(), 1, count)?;
    let (near, far) = UnixStream::pair()?;
    dup2_stdout(near.as_fd())?;
    write_lines(stdout(), 1, count)?;
    drop((far, reader));
    match write(stdout(), b"refused\n") {
        Err(Errno::PIPE) => Ok(()),
        other => Err(io::Error::other(format!("not refused by the socket: {other:?}"))),
    }
}

/// `bytes` of memory that was never there, to `/dev/null`, which does not look at it; then a line.
pub(crate) fn untouched(bytes: u64) -> io::Result<()> {
    let length = bytes as usize;
    let (protection, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping that is never written, and stays until the program ends.
    let memory = unsafe {
        let memory = libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        slice::from_raw_parts(memory.cast::<u8>(), length)
    };
    write_once(stdout(), memory)?;
    write_lines(stdout(), 1, 1)
}

/// Floods `/dev/null` with lines of 100 bytes while it writes lines to its own stdout.
pub(crate) fn beside_flood(bytes: u64, count: u64) -> io::Result<()> {
    let own = fcntl_dupfd_cloexec(stdout(), 7)?;
    dup2_stdout(null()?)?;
    for number in 1..=count {
        super::run(&["flood", &(bytes / count).to_string()])?;
        write_once(&own, &[&body::line(1, number)[..], b"\n"].concat())?;
    }
    Ok(())
}

fn null() -> io::Result<File> {
    File::options().write(true).open("/dev/null")
}

/// The side of a new terminal that programs write to; `outside` is that of who shows it.
fn inside_of(outside: &File) -> io::Result<File> {
    let unlock = 0_i32;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the descriptor is open; the calls read one `int`, and make a descriptor that is owned from there on.
    unsafe {
        let locked = libc::ioctl(outside.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock);
        let inside = libc::ioctl(outside.as_raw_fd(), libc::TIOCGPTPEER, flags);
        if locked != 0 || inside < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(File::from_raw_fd(inside))
    }
}
