//! System call numbers and registers of the machine. `x86_64` only.

/// How a call says what it wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// `(fd, buffer, count)`
    Buffer,
    /// `(fd, iovec, count)`
    Vector,
    /// No user buffer.
    Unseen(Moved),
}

/// Arguments of a call that moves bytes from one descriptor to another, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    /// The descriptor written to.
    pub to: usize,
    /// The descriptor read from, and the address of the position in it, where that may be a file.
    pub from: Option<(usize, usize)>,
}

/// The call of a number, if it writes. `arch/x86/entry/syscalls/syscall_64.tbl`
#[inline(always)]
pub(super) fn call(number: u64) -> Option<Call> {
    Some(match number {
        1 | 18 => Call::Buffer,                                   // write, pwrite64
        20 | 296 | 328 => Call::Vector,                           // writev, pwritev, pwritev2
        40 => Call::Unseen(Moved { to: 0, from: Some((1, 2)) }),  // sendfile64
        275 => Call::Unseen(Moved { to: 2, from: Some((0, 1)) }), // splice
        276 => Call::Unseen(Moved { to: 1, from: None }),         // tee
        278 => Call::Unseen(Moved { to: 0, from: None }),         // vmsplice
        326 => Call::Unseen(Moved { to: 2, from: None }),         // copy_file_range
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
