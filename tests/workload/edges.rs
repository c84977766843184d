//! Writes that fail, that end early, and of memory that is there only when the kernel asks for it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr;
use std::slice;
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread, write};
use rustix::pipe::fcntl_getpipe_size;
use rustix::process::getpid;
use rustix::stdio::{stderr, stdout};

use super::blocked::is_waiting;
use super::body;
use super::ways::write_once;

const PAGE: usize = 4096;

/// A text of `bytes`, more than the pipe holds, in one write that a signal ends; one that a signal ends before it wrote
/// anything; and the rest. Nobody must read the pipe before this says so on stderr.
pub(crate) fn interrupted(bytes: u64) -> io::Result<()> {
    extern "C" fn nothing(_signal: libc::c_int) {}
    let text = body::text(1, bytes as usize);
    let capacity = fcntl_getpipe_size(stdout())? as u64;
    // This is the only thread so far.
    let main = getpid();
    // SAFETY: the handler does nothing; without `SA_RESTART`, a call that it interrupts ends.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut());
    }
    let interrupt = || -> io::Result<()> {
        while ioctl_fionread(stdout())? < capacity || !is_waiting(main)? {
            thread::yield_now();
        }
        let main = main.as_raw_pid();
        // SAFETY: sends a signal.
        super::call(unsafe { libc::syscall(libc::SYS_tgkill, main, main, libc::SIGUSR1) })?;
        Ok(())
    };
    let join = |handle: thread::ScopedJoinHandle<'_, io::Result<()>>| {
        handle.join().map_err(|_panic| io::Error::other("a thread panicked"))?
    };
    let written = thread::scope(|scope| {
        let interrupter = scope.spawn(interrupt);
        let written = write(stdout(), &text);
        join(interrupter)?;
        io::Result::Ok(written?)
    })?;
    if written != capacity as usize {
        return Err(io::Error::other(format!("{written} written before the signal")));
    }
    thread::scope(|scope| {
        let interrupter = scope.spawn(interrupt);
        let result = write(stdout(), &text[written..]);
        join(interrupter)?;
        let ended = result == Err(Errno::INTR);
        if ended { Ok(()) } else { Err(io::Error::other(format!("{result:?}"))) }
    })?;
    write_once(stderr(), b"interrupted\n")?;
    write_once(stdout(), &text[written..])
}

/// A pipe that is filled by writes of a page, then refuses one more ten times.
pub(crate) fn filled() -> io::Result<()> {
    fcntl_setfl(stdout(), fcntl_getfl(stdout())? | OFlags::NONBLOCK)?;
    for number in 1.. {
        match write(stdout(), &body::text(number, PAGE)) {
            Ok(PAGE) => {}
            Err(Errno::AGAIN) => break,
            other => return Err(io::Error::other(format!("{other:?}"))),
        }
    }
    for _ in 0..10 {
        if write(stdout(), b"x") != Err(Errno::AGAIN) {
            return Err(io::Error::other("there is room in a full pipe"));
        }
    }
    write_once(stderr(), b"full\n")
}

/// Writes of memory that is not there, of nothing, and a line.
pub(crate) fn unreadable() -> io::Result<()> {
    // SAFETY: the kernel alone looks at the memory, and finds out that there is none.
    let nowhere = unsafe { slice::from_raw_parts(PAGE as *const u8, 100) };
    let results = [write(stdout(), nowhere), write(stdout(), &[])];
    if results != [Err(Errno::FAULT), Ok(0)] {
        return Err(io::Error::other(format!("{results:?}")));
    }
    write_once(stdout(), b"end\n")
}

/// The text of `pages` from a file's mapping that nobody has looked at; the same when its pages were dropped; and a page of
/// zeros that is not there before it is written.
pub(crate) fn absent(pages: u64) -> io::Result<()> {
    let text = body::text(1, pages as usize * PAGE);
    let path = std::env::temp_dir().join(format!("absent-{}", std::process::id()));
    fs::write(&path, &text)?;
    let file = File::open(&path)?;
    fs::remove_file(path)?;
    let mapped = map(text.len(), Some(&file))?;
    write_once(stdout(), mapped)?;
    for advice in [libc::MADV_PAGEOUT, libc::MADV_DONTNEED] {
        let start = mapped.as_ptr().cast_mut().cast();
        // SAFETY: the mapping stays, and what it shows.
        super::call(unsafe { libc::madvise(start, mapped.len(), advice) }.into())?;
        write_once(stdout(), mapped)?;
    }
    write_once(stdout(), map(PAGE, None)?)
}

/// A mapping that nobody has touched; never given back.
fn map(bytes: usize, file: Option<&File>) -> io::Result<&'static [u8]> {
    let fd = file.map_or(-1, |file| file.as_fd().as_raw_fd());
    let flags = libc::MAP_PRIVATE | if file.is_some() { 0 } else { libc::MAP_ANONYMOUS };
    // SAFETY: a new mapping, of this length.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ, flags, fd, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(slice::from_raw_parts(memory.cast(), bytes))
    }
}
