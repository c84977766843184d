//! A write whose memory is taken away while it waits: its bytes are in the pipe already, but no more in the writer.

use std::io;
use std::ptr;
use std::slice;
use std::thread;

use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_getpipe_size;
use rustix::stdio::{stderr, stdout};

use super::body;
use super::ways::write_once;

const PAGE: usize = 4096;

/// Text of `bytes`, more than the pipe holds. Nobody must read the pipe before this says so on stderr.
pub(crate) fn vanishing(bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let capacity = fcntl_getpipe_size(stdout())? as u64;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, long enough for the text that is copied into it.
    let memory = unsafe {
        let memory = libc::mmap(ptr::null_mut(), text.len(), protection, flags, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        ptr::copy_nonoverlapping(text.as_ptr(), memory.cast(), text.len());
        memory as usize
    };
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
