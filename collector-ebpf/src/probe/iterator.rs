//! The kernel's `struct iov_iter`: where the bytes of a write are, and how far it got.

use aya_ebpf::helpers::bpf_probe_read_user as read_user;

use super::copy::Source;
use super::kernel::{offsets, read, settings};

/// The most segments that a call may have: `UIO_MAXIOV`, `include/uapi/linux/uio.h`.
pub(super) const MAX_SEGMENTS: u32 = 1024;

/// A snapshot of one that points into the writer's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct UserIterator {
    /// A buffer: the user address of the next byte. Else the kernel address of the current `struct iovec`.
    pointer: u64,
    /// Segments from the current one on; 0 for a buffer.
    segments: u64,
    /// Where in its segment the next byte is.
    offset: u64,
    /// Bytes that are left.
    pub left_bytes: u64,
    /// 1 for a buffer.
    is_buffer: u64,
}

impl UserIterator {
    /// Of nothing.
    pub(super) const NONE: Self =
        Self { pointer: 0, segments: 0, offset: 0, left_bytes: 0, is_buffer: 0 };

    /// Of `bytes` at `address`.
    #[inline(always)]
    pub(super) const fn buffer(address: u64, bytes: u64) -> Self {
        Self { pointer: address, segments: 0, offset: 0, left_bytes: bytes, is_buffer: 1 }
    }

    /// The state of the iterator at `address`. None: the bytes are not in user memory, or not where this probe reads them.
    #[inline(always)]
    pub(super) fn read(address: u64) -> Option<Self> {
        let kind: u8 = read(address, offsets().get(|o| &o.iter_kind))?;
        let kind = u64::from(kind) & settings().get(|s| &s.iter_kind_mask);
        let offset: u64 = read(address, offsets().get(|o| &o.iter_offset))?;
        let left_bytes: u64 = read(address, offsets().get(|o| &o.iter_count))?;
        if kind == settings().get(|s| &s.iter_buffer) {
            let start: u64 = read(address, offsets().get(|o| &o.iter_pointer))?;
            let pointer = start + offset;
            return Some(Self { pointer, segments: 0, offset: 0, left_bytes, is_buffer: 1 });
        }
        if kind != settings().get(|s| &s.iter_vector) {
            return None;
        }
        let pointer: u64 = read(address, offsets().get(|o| &o.iter_pointer))?;
        let segments: u64 = read(address, offsets().get(|o| &o.iter_segments))?;
        Some(Self { pointer, segments, offset, left_bytes, is_buffer: 0 })
    }

    /// Where the call began, from where it ended: `written_bytes` further back.
    ///
    /// A function that meets an unreadable page has moved the iterator past bytes that it did not write. So when bytes are
    /// left, the next one has to be readable; else where the call began is not known, and there is nothing to be read.
    #[inline(always)]
    pub(super) fn rewind(mut self, written_bytes: u64) -> Option<Self> {
        if self.left_bytes > 0 && !self.next_is_readable() {
            return None;
        }
        self.left_bytes += written_bytes;
        if self.is_buffer != 0 {
            self.pointer -= written_bytes;
            return Some(self);
        }
        let mut back_bytes = written_bytes;
        if back_bytes <= self.offset {
            self.offset -= back_bytes;
            return Some(self);
        }
        back_bytes -= self.offset;
        for _ in 0..MAX_SEGMENTS {
            self.pointer -= 16;
            self.segments += 1;
            let [_, length]: [u64; 2] = read(self.pointer, 0)?;
            if back_bytes <= length {
                self.offset = length - back_bytes;
                return Some(self);
            }
            back_bytes -= length;
        }
        None
    }

    #[inline(always)]
    fn next_is_readable(&self) -> bool {
        let next = if self.is_buffer != 0 {
            self.pointer
        } else {
            let Some([base, _]) = read::<[u64; 2]>(self.pointer, 0) else { return false };
            base + self.offset
        };
        // SAFETY: the helper checks the address.
        unsafe { read_user(next as *const u8) }.is_ok()
    }

    /// Where a write of `written_bytes` from here finds them. Often the first segment has them all.
    #[inline(always)]
    pub(super) fn source(&self, written_bytes: u64) -> Source {
        let bytes = self.left_bytes;
        if self.is_buffer != 0 {
            return Source::Buffer { address: self.pointer, bytes };
        }
        if let Some([base, length]) = read::<[u64; 2]>(self.pointer, 0)
            && length >= self.offset
            && length - self.offset >= written_bytes
        {
            return Source::Buffer { address: base + self.offset, bytes };
        }
        let Self { pointer: address, segments, offset: skip_bytes, .. } = *self;
        Source::KernelVector { address, segments, skip_bytes, bytes }
    }
}
