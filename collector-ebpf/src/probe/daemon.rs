//! Class `daemon`: what a process of a container puts out where nobody reads it. Off unless user space asks for it: then the
//! verifier sees a constant, and leaves out all that depends on it.

use aya_ebpf::helpers::bpf_probe_read_user as read_user;
use collector_ebpf::{Container, State};

use super::file::File;
use super::iterator::MAX_SEGMENTS;
use super::kernel::settings;
use super::session;
use super::stream::MAX_WRITE_BYTES;

/// The result of a write to a pipe without a reader. `include/uapi/asm-generic/errno-base.h`
const REFUSED: i64 = -32;

/// Whether anybody wants the class.
#[inline(always)]
pub(super) fn is_on() -> bool {
    settings().get(|s| &s.daemon_bytes_per_second) != 0
}

/// Whether a call with this result wanted to write where nobody reads.
#[inline(always)]
pub(super) fn is_refused(result: i64) -> bool {
    is_on() && result == REFUSED
}

/// Whether what a process puts out goes nowhere. A number and no enum, which the compiler would leave undefined where it does not
/// matter, and read all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Nowhere(u32);

impl Nowhere {
    /// It goes somewhere.
    pub(super) const NO: Self = Self(0);
    /// To `/dev/null`, or to a terminal: it takes everything.
    pub(super) const TAKEN: Self = Self(1);
    /// To a pipe: it is nowhere only if it refuses.
    pub(super) const REFUSED: Self = Self(2);
}

/// What a file is that is no stream of the container `root`. Which descriptor it is, the caller has to know.
#[inline(always)]
pub(super) fn nowhere(root: u64, container: &Container, file: File) -> Nowhere {
    // Before the first program the process is the runtime's.
    if !is_on() || container.state == State::Pending as u32 {
        Nowhere::NO
    } else if file.is_fifo() {
        Nowhere::REFUSED
    } else if file.is_null() || (file.is_terminal() && !session::is_foreign(root)) {
        Nowhere::TAKEN
    } else {
        Nowhere::NO
    }
}

/// Whether the current task puts out what it writes to `file`.
#[inline(always)]
pub(super) fn is_output(file: File) -> bool {
    file.is_descriptor(1) || file.is_descriptor(2)
}

/// What a call wants to write that asks for so much.
#[inline(always)]
pub(super) fn requested_bytes(bytes: u64) -> u64 {
    if bytes > MAX_WRITE_BYTES as u64 { MAX_WRITE_BYTES as u64 } else { bytes }
}

/// How many bytes the `segments` of `struct iovec` at `address` have.
#[inline(always)]
pub(super) fn vector_bytes(address: u64, segments: u64) -> u64 {
    let mut bytes = 0;
    for index in 0..u64::from(MAX_SEGMENTS) {
        if index >= segments {
            break;
        }
        // SAFETY: the helper checks the address.
        let vector = unsafe { read_user((address + index * 16) as *const [u64; 2]) };
        let Ok([_, length]) = vector else { break };
        bytes += length;
    }
    bytes
}
