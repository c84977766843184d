//! Writes of memory that goes away while they wait, so that the bytes are in the pipe but no more in the writer; and of
//! memory that was never there.

use std::io::{self, IoSlice};
use std::ptr;
use std::slice;
use std::thread;

use rustix::io::{ioctl_fionread, write, writev};
use rustix::pipe::fcntl_getpipe_size;
use rustix::stdio::{stderr, stdout};

use super::body;
use super::ways::write_once;

const PAGE: usize = 4096;

/// Text of `bytes`, more than the pipe holds. Nobody must read the pipe before this says so on stderr.
pub(crate) fn vanishing(bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let capacity = fcntl_getpipe_size(stdout())? as u64;
    let memory = map(&text, text.len())? as usize;
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            // SAFETY: the kernel alone looks at the memory, and has copied the page that goes before it goes.
            write_once(stdout(), unsafe { slice::from_raw_parts(memory as *const u8, text.len()) })
        });
        while ioctl_fionread(stdout())? < capacity {
            thread::yield_now();
        }
        // SAFETY: nothing but the waiting call refers to the page.
        if unsafe { libc::munmap(memory as *mut _, PAGE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        write_once(stderr(), b"gone\n")?;
        writer.join().map_err(|_panic| io::Error::other("the writer panicked"))?
    })
}

/// Both calls ask for a page more than there is, and write the first. Of the second they find only a part, which is not
/// written unless it fits behind what is in the pipe already.
pub(crate) fn unmapped() -> io::Result<()> {
    const START: usize = 100;
    let text = body::text(1, 2 * PAGE);
    let memory = map(&text, 3 * PAGE)?;
    // SAFETY: the kernel alone looks at the memory, and finds out that the last page may not be read.
    let bytes = unsafe {
        if libc::mprotect(memory.add(2 * PAGE).cast(), PAGE, libc::PROT_NONE) != 0 {
            return Err(io::Error::last_os_error());
        }
        slice::from_raw_parts(memory.add(START), 3 * PAGE - START)
    };
    let (first, rest) = bytes.split_at(START);
    let written =
        [write(stdout(), bytes)?, writev(stdout(), &[IoSlice::new(first), IoSlice::new(rest)])?];
    if written.iter().any(|&written| written == 0 || written >= bytes.len()) {
        return Err(io::Error::other(format!("{written:?} written")));
    }
    write_once(stdout(), b"end\n")
}

/// New memory that begins with the text.
fn map(text: &[u8], bytes: usize) -> io::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, long enough for the text that is copied into it.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        ptr::copy_nonoverlapping(text.as_ptr(), memory.cast(), text.len());
        Ok(memory.cast())
    }
}
