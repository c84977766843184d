//! Writes that are handed to the kernel in a queue. By plain system calls: what the kernel's headers say, no library.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_long, syscall};

use super::body;

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
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// `IOCB_CMD_PWRITE`
const PWRITE: u16 = 1;

/// `count` lines to stdout by AIO, one after the other.
pub(crate) fn aio(count: u64) -> io::Result<()> {
    let mut context: u64 = 0;
    // SAFETY: the call fills in the context.
    call(unsafe { syscall(libc::SYS_io_setup, 1, &raw mut context) })?;
    for number in 1..=count {
        let line = line(number);
        let block = ControlBlock {
            opcode: PWRITE,
            fd: 1,
            address: line.as_ptr() as u64,
            bytes: line.len() as u64,
            // SAFETY: integers only.
            ..unsafe { zeroed() }
        };
        let blocks = [&raw const block];
        let mut event = [0_u64; 4];
        // SAFETY: the block and the line outlive their write, whose event the second call waits for, with room for it.
        unsafe {
            call(syscall(libc::SYS_io_submit, context, 1, blocks.as_ptr()))?;
            let wait = null::<libc::timespec>();
            call(syscall(libc::SYS_io_getevents, context, 1, 1, event.as_mut_ptr(), wait))?;
        }
        whole(event[2].cast_signed(), &line)?;
    }
    Ok(())
}

/// `count` lines to stdout by `io_uring`, one after the other: each from a buffer, or from one that is registered.
pub(crate) fn uring(count: u64, is_registered: bool) -> io::Result<()> {
    /// `IORING_OP_WRITEV`, `IORING_OP_WRITE_FIXED`
    const OPERATIONS: [u8; 2] = [2, 5];
    let mut memory = vec![0; 4096];
    let mut ring = Ring::new()?;
    if is_registered {
        ring.register(&mut memory)?;
    }
    for number in 1..=count {
        let line = line(number);
        memory[..line.len()].copy_from_slice(&line);
        let parts = [IoSlice::new(&memory[..line.len()])];
        let (address, length) = if is_registered {
            (memory.as_ptr() as u64, line.len() as u32)
        } else {
            (parts.as_ptr() as u64, 1)
        };
        let written = ring.submit(OPERATIONS[usize::from(is_registered)], address, length)?;
        whole(written.into(), &line)?;
    }
    Ok(())
}

/// `IORING_OFF_SQ_RING`, `IORING_OFF_CQ_RING`, `IORING_OFF_SQES`, `include/uapi/linux/io_uring.h`
const OFFSETS: [libc::off_t; 3] = [0, 0x800_0000, 0x1000_0000];
/// More than each of the three takes for one entry.
const MAPPED_BYTES: usize = 4096;

/// A queue of one.
struct Ring {
    file: File,
    /// `struct io_uring_params`: where things are in the mappings.
    parameters: [u32; 30],
    submissions: *mut u32,
    completions: *mut u32,
    entries: *mut u32,
}

impl Ring {
    fn new() -> io::Result<Self> {
        let mut parameters = [0_u32; 30];
        // SAFETY: the call fills in the parameters, 120 bytes.
        let fd = unsafe { syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        // SAFETY: a new descriptor.
        let file = unsafe { File::from_raw_fd(call(fd)? as RawFd) };
        let map = |offset| {
            let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            // SAFETY: a new mapping.
            let memory = unsafe {
                libc::mmap(null_mut(), MAPPED_BYTES, protection, flags, file.as_raw_fd(), offset)
            };
            if memory == libc::MAP_FAILED {
                Err(io::Error::last_os_error())
            } else {
                Ok(memory.cast())
            }
        };
        let [submissions, completions, entries] =
            [map(OFFSETS[0])?, map(OFFSETS[1])?, map(OFFSETS[2])?];
        Ok(Self { file, parameters, submissions, completions, entries })
    }

    fn register(&self, memory: &mut [u8]) -> io::Result<()> {
        const REGISTER_BUFFERS: c_long = 0;
        let part = [IoSlice::new(memory)];
        let fd = self.file.as_raw_fd();
        // SAFETY: the memory outlives the ring.
        let done =
            unsafe { syscall(libc::SYS_io_uring_register, fd, REGISTER_BUFFERS, part.as_ptr(), 1) };
        call(done).map(drop)
    }

    /// Writes to stdout, and gives the result.
    fn submit(&mut self, operation: u8, address: u64, length: u32) -> io::Result<i32> {
        const GET_EVENTS: c_long = 1;
        // Of the submissions: tail, mask, array; of the completions: head, mask, entries.
        let [tail, array] = [self.parameters[11], self.parameters[16]];
        let [head, completed] = [self.parameters[20], self.parameters[25]];
        let entry = [
            u32::from(operation),
            1,
            // At the file's own position.
            u32::MAX,
            u32::MAX,
            address as u32,
            (address >> 32) as u32,
            length,
        ];
        let word = |offset: u32| offset as usize / size_of::<u32>();
        // SAFETY: the offsets are the kernel's own, of whole words in the mappings. The only entry is number 0.
        unsafe {
            self.entries.write_bytes(0, 16);
            self.entries.copy_from_nonoverlapping(entry.as_ptr(), entry.len());
            self.submissions.add(word(array)).write(0);
            let tail: &AtomicU32 = &*self.submissions.add(word(tail)).cast();
            tail.fetch_add(1, Ordering::Release);
            let fd = self.file.as_raw_fd();
            call(syscall(libc::SYS_io_uring_enter, fd, 1, 1, GET_EVENTS, null::<u8>(), 0))?;
            let head: &AtomicU32 = &*self.completions.add(word(head)).cast();
            // There is room for two completions, by turns: four words each, of which the third is the result.
            let index = head.load(Ordering::Acquire) & 1;
            let result = self.completions.add(word(completed) + 4 * index as usize + 2).read();
            head.fetch_add(1, Ordering::Release);
            Ok(result.cast_signed())
        }
    }
}

fn line(number: u64) -> Vec<u8> {
    [body::line(1, number), b"\n".to_vec()].concat()
}

fn whole(written: i64, line: &[u8]) -> io::Result<()> {
    if written == line.len() as i64 {
        Ok(())
    } else {
        Err(io::Error::other(format!("a queued write gave {written}")))
    }
}

fn call(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

const _: () = assert!(size_of::<ControlBlock>() == 64);
