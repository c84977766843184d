//! System call numbers and registers of the machine. `x86_64` only.

/// How a call says what it wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// `(fd, buffer, count)`
    Buffer,
    /// `(fd, iovec, count)`
    Vector,
    /// No user buffer; the descriptor written to is this argument, counted from 0.
    Unseen(usize),
}

/// The call of a number, if it writes. `arch/x86/entry/syscalls/syscall_64.tbl`
#[inline(always)]
pub(super) fn call(number: u64) -> Option<Call> {
    Some(match number {
        1 | 18 => Call::Buffer,         // write, pwrite64
        20 | 296 | 328 => Call::Vector, // writev, pwritev, pwritev2
        40 | 278 => Call::Unseen(0),    // sendfile64, vmsplice
        276 => Call::Unseen(1),         // tee
        275 | 326 => Call::Unseen(2),   // splice, copy_file_range
        _ => return None,
    })
}

/// Whether a 32-bit call of this number is one of those. `arch/x86/entry/syscalls/syscall_32.tbl`
#[inline(always)]
pub(super) fn is_compat_write(number: u64) -> bool {
    matches!(
        number,
        4 | 146 | 181 | 334 | 379 // write, writev, pwrite64, pwritev, pwritev2
            | 187 | 239 | 313 | 315 | 316 | 377 // sendfile, sendfile64, splice, tee, vmsplice, copy_file_range
    )
}

/// Index in `struct pt_regs`, in words, of the system call's number. `arch/x86/include/asm/ptrace.h`
pub(super) const NUMBER: usize = 15;

/// The same of its first three arguments: di, si, dx.
pub(super) const ARGUMENTS: [usize; 3] = [14, 13, 12];

/// `thread_info.status`: the current system call is a 32-bit one. `arch/x86/include/asm/thread_info.h`
pub(super) const TS_COMPAT: u32 = 2;
