//! A kernel function that writes is entered, and left: backend `multi`, and `fexit` where programs may be preempted. What
//! its arguments say at the entry is kept for the thread until it leaves: the one needs that because they are there at the
//! entry only, the other because it looks again when the system call returns, and must know whether it has looked already.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use collector_ebpf::NodeCounter;

use super::account;
use super::copy::{self, Slot, Source, Write};
use super::daemon;
use super::file::File;
use super::file_range::FileRange;
use super::function;
use super::iterator::UserIterator;
use super::maps::CALLS;
use super::stream::{self, Stream};

/// A write to a watched stream that is under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Call {
    stream: Stream,
    iterator: UserIterator,
    /// Not 0: the bytes are where `iterator` says, else nowhere in the writer's memory.
    has_bytes: u64,
    /// Where they are then.
    range: FileRange,
}

/// The current thread enters a function that writes to `file`, from the `struct iov_iter` at `iterator`.
#[inline(always)]
pub(super) fn writes(file: impl FnOnce() -> Option<File>, iterator: u64) {
    enter(file, |_| true, || UserIterator::read(iterator), || FileRange::NONE);
}

/// The current thread enters a function that writes `bytes` at `address` to `file`, and makes no iterator of them.
#[inline(always)]
pub(super) fn discards(file: impl FnOnce() -> Option<File>, address: u64, bytes: u64) {
    enter(file, |_| true, || Some(UserIterator::buffer(address, bytes)), || FileRange::NONE);
}

/// The current thread enters a function that moves bytes into `file` without a buffer of the caller's. Only pipes: into
/// anything else they come by a function that [`writes`] follows. `range`: where they come from.
#[inline(always)]
pub(super) fn moves(file: impl FnOnce() -> Option<File>, range: impl FnOnce() -> FileRange) {
    enter(file, File::is_fifo, || None, range);
}

#[inline(always)]
fn enter(
    file: impl FnOnce() -> Option<File>,
    is_wanted: impl FnOnce(File) -> bool,
    iterator: impl FnOnce() -> Option<UserIterator>,
    range: impl FnOnce() -> FileRange,
) {
    let Some(root) = stream::root_of_current() else { return };
    let thread = bpf_get_current_pid_tgid();
    let stream =
        file().filter(|&file| is_wanted(file)).and_then(|file| Stream::of_current(root, file));
    let Some((stream, _)) = stream else {
        // What a call left behind that never returned here must not be taken for this one.
        let _absent = CALLS.remove(thread);
        return;
    };
    let iterator = iterator();
    let call = Call {
        stream,
        has_bytes: u64::from(iterator.is_some()),
        iterator: iterator.unwrap_or(UserIterator::NONE),
        range: range(),
    };
    if CALLS.insert(thread, call, 0).is_err() {
        account::node(NodeCounter::CallsFull);
    }
}

/// The current thread leaves such a function. Who comes second finds nothing to do.
#[inline(always)]
pub(super) fn left(slot: Slot, result: i64) {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: only this thread changes the entry, and the value is copied at once.
    let Some(&call) = (unsafe { CALLS.get(thread) }) else { return };
    let _absent = CALLS.remove(thread);
    if !call.stream.has_written(result) {
        return;
    }
    let Some(container) = stream::container(call.stream.root) else { return };
    if daemon::is_refused(result) {
        if call.has_bytes != 0 {
            function::refused(container, slot, &call.stream, &call.iterator);
        }
        return;
    }
    let write = Write::new(&call.stream, slot, result as u64);
    let source = if call.has_bytes == 0 {
        Source::Unseen(call.range)
    } else {
        call.iterator.source(write.written_bytes)
    };
    copy::run(container, &write, source);
}
