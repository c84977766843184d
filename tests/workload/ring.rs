//! Linux's `io_uring`. By plain system calls: what the kernel's headers say, no library.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_long, syscall};

use super::call;

/// `IORING_OFF_SQ_RING`, `IORING_OFF_CQ_RING`, `IORING_OFF_SQES`, `include/uapi/linux/io_uring.h`
const OFFSETS: [libc::off_t; 3] = [0, 0x800_0000, 0x1000_0000];
/// More than each of the three takes for one entry, and than a line.
const MAPPED_BYTES: usize = 4096;

/// How it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `IORING_OP_WRITE`
    Buffer,
    /// `IORING_OP_WRITEV`
    Vector,
    /// `IORING_OP_WRITE_FIXED`: from a registered buffer. The kernel has its pages, and no address of the writer's.
    Registered,
    /// `IORING_OP_WRITE` with `IOSQE_ASYNC`: by one of the kernel's workers.
    Worker,
    /// `IORING_OP_WRITE` with `IORING_SETUP_SQPOLL`: by the kernel's thread that looks at the queue.
    Poller,
}

/// A queue of one.
pub(super) struct Ring {
    way: Way,
    file: File,
    /// `struct io_uring_params`: where things are in the mappings.
    parameters: [u32; 30],
    submissions: *mut u32,
    completions: *mut u32,
    entries: *mut u32,
    memory: Box<[u8]>,
}

impl Ring {
    pub(super) fn new(way: Way) -> io::Result<Self> {
        const POLLED: u32 = 2;
        const REGISTER_BUFFERS: c_long = 0;
        const REGISTER_FILES: c_long = 2;
        let mut parameters = [0_u32; 30];
        parameters[2] = if way == Way::Poller { POLLED } else { 0 };
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
        let memory = vec![0; MAPPED_BYTES].into_boxed_slice();
        let ring = Self { way, file, parameters, submissions, completions, entries, memory };
        match way {
            Way::Registered => {
                ring.register(REGISTER_BUFFERS, [IoSlice::new(&ring.memory)].as_ptr())?;
            }
            // Up to Linux 5.10 it writes to registered files only.
            Way::Poller => ring.register(REGISTER_FILES, [1_i32].as_ptr())?,
            _ => {}
        }
        Ok(ring)
    }

    fn register<T>(&self, what: c_long, one: *const T) -> io::Result<()> {
        let fd = self.file.as_raw_fd();
        // SAFETY: there is one, and a registered buffer lives as long as the ring.
        let done = unsafe { syscall(libc::SYS_io_uring_register, fd, what, one, 1) };
        call(done).map(drop)
    }

    /// Writes `bytes` to stdout, at a file's own position.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        /// `IOSQE_FIXED_FILE`
        const FIXED_FILE: u8 = 1;
        /// `IOSQE_ASYNC`
        const ASYNC: u8 = 1 << 4;
        self.memory[..bytes.len()].copy_from_slice(bytes);
        let (address, length) = (self.memory.as_ptr() as u64, bytes.len() as u32);
        let halves = self.memory[..bytes.len()].split_at(bytes.len() / 2);
        let segments = [IoSlice::new(halves.0), IoSlice::new(halves.1)];
        // `IORING_OP_WRITEV`, `IORING_OP_WRITE_FIXED`, `IORING_OP_WRITE`
        let (operation, address, length) = match self.way {
            Way::Vector => (2, segments.as_ptr() as u64, 2),
            Way::Registered => (5, address, length),
            _ => (23, address, length),
        };
        let (flags, fd) = match self.way {
            Way::Worker => (ASYNC, 1),
            Way::Poller => (FIXED_FILE, 0),
            _ => (0, 1),
        };
        let written = self.submit([operation, flags], fd, address, length)?;
        Ok(written as usize)
    }

    /// Submits one entry and waits for its result.
    fn submit(&self, operation: [u8; 2], fd: u32, address: u64, length: u32) -> io::Result<i32> {
        const GET_EVENTS: c_long = 1;
        const WAKE_POLLER: c_long = 2;
        // Of the submissions: tail, array; of the completions: head, entries.
        let [tail, array] = [self.parameters[11], self.parameters[16]];
        let [head, completed] = [self.parameters[20], self.parameters[25]];
        let entry = [
            u16::from_ne_bytes(operation).into(),
            fd,
            // At the file's own position.
            u32::MAX,
            u32::MAX,
            address as u32,
            (address >> 32) as u32,
            length,
        ];
        let polled = if self.way == Way::Poller { WAKE_POLLER } else { 0 };
        let word = |offset: u32| offset as usize / size_of::<u32>();
        // SAFETY: the offsets are the kernel's own, of whole words in the mappings. The only entry is number 0.
        let result = unsafe {
            self.entries.write_bytes(0, 16);
            self.entries.copy_from_nonoverlapping(entry.as_ptr(), entry.len());
            self.submissions.add(word(array)).write(0);
            let tail: &AtomicU32 = &*self.submissions.add(word(tail)).cast();
            tail.fetch_add(1, Ordering::SeqCst);
            let (fd, flags) = (self.file.as_raw_fd(), GET_EVENTS | polled);
            call(syscall(libc::SYS_io_uring_enter, fd, 1, 1, flags, null::<u8>(), 0))?;
            let head: &AtomicU32 = &*self.completions.add(word(head)).cast();
            // There is room for two completions, by turns: four words each, of which the third is the result.
            let index = head.load(Ordering::Acquire) & 1;
            let result = self.completions.add(word(completed) + 4 * index as usize + 2).read();
            head.fetch_add(1, Ordering::Release);
            result.cast_signed()
        };
        if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
    }
}
