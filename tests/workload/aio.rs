//! Linux's own asynchronous I/O. By plain system calls: what the kernel's headers say, no library.

use std::io;
use std::mem::{size_of, zeroed};
use std::ptr::null;

use libc::syscall;

use super::call;

/// `struct iocb`, `include/uapi/linux/aio_abi.h`
#[repr(C)]
struct ControlBlock {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fd: u32,
    address: u64,
    bytes: u64,
    offset: u64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

const _: () = assert!(size_of::<ControlBlock>() == 64);

/// `IOCB_CMD_PWRITE`
const PWRITE: u16 = 1;
/// `IOCB_CMD_PWRITEV`
const PWRITEV: u16 = 8;

/// A queue of one.
pub(super) struct Aio {
    context: u64,
}

impl Aio {
    pub(super) fn new() -> io::Result<Self> {
        let mut context = 0;
        // SAFETY: the call fills in the context.
        call(unsafe { syscall(libc::SYS_io_setup, 1, &raw mut context) })?;
        Ok(Self { context })
    }

    /// Writes `bytes` to stdout at `offset`, which only files have.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.submit(PWRITE, bytes.as_ptr() as u64, bytes.len() as u64, offset)
    }

    /// The same from segments.
    pub(super) fn write_vectored(
        &self,
        segments: &[io::IoSlice<'_>],
        offset: u64,
    ) -> io::Result<usize> {
        self.submit(PWRITEV, segments.as_ptr() as u64, segments.len() as u64, offset)
    }

    fn submit(&self, opcode: u16, address: u64, bytes: u64, offset: u64) -> io::Result<usize> {
        // SAFETY: integers only.
        let block = ControlBlock { opcode, fd: 1, address, bytes, offset, ..unsafe { zeroed() } };
        let blocks = [&raw const block];
        let mut event = [0_i64; 4];
        // SAFETY: the block and its bytes outlive their write, whose event the second call waits for, with room for it.
        unsafe {
            call(syscall(libc::SYS_io_submit, self.context, 1, blocks.as_ptr()))?;
            let wait = null::<libc::timespec>();
            call(syscall(libc::SYS_io_getevents, self.context, 1, 1, event.as_mut_ptr(), wait))?;
        }
        call(event[2]).map(|written| written as usize)
    }
}
