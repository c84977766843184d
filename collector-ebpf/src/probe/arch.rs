//! System call numbers and registers of the machine. `x86_64` only.

/// How a call says what it wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is no write.
    Not,
    /// `(fd, buffer, count)`
    Buffer,
    /// `(fd, iovec, count)`
    Vector,
    /// No user buffer.
    Unseen,
}

/// What is known of a system call by its number; arguments are counted from 0. Plain numbers, all of them always there: what an
/// enum leaves undefined the compiler may read, and the verifier before 6.3 does not let it.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// How it writes.
    pub how: How,
    /// The descriptor written to.
    pub to: usize,
    /// The descriptor read from, where that may be a file; the next argument is the address of the position in it. Else
    /// [`NO_ARGUMENT`].
    pub from: usize,
}

/// No argument of a call.
pub(super) const NO_ARGUMENT: usize = 3;

/// The call of a number. `arch/x86/entry/syscalls/syscall_64.tbl`
#[inline(always)]
pub(super) fn call(number: u64) -> Call {
    let (how, to, from) = match number {
        1 | 18 => (How::Buffer, 0, NO_ARGUMENT), // write, pwrite64
        20 | 296 | 328 => (How::Vector, 0, NO_ARGUMENT), // writev, pwritev, pwritev2
        40 => (How::Unseen, 0, 1),               // sendfile64
        275 => (How::Unseen, 2, 0),              // splice
        276 => (How::Unseen, 1, NO_ARGUMENT),    // tee
        278 => (How::Unseen, 0, NO_ARGUMENT),    // vmsplice
        326 => (How::Unseen, 2, NO_ARGUMENT),    // copy_file_range
        _ => (How::Not, 0, NO_ARGUMENT),
    };
    Call { how, to, from }
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
