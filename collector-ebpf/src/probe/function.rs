//! A kernel function that writes has returned, and its arguments are still at hand: backend `fexit`.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::programs::FExitContext;
use collector_ebpf::{Container, NodeCounter};

use super::account;
use super::copy::{self, Slot, Source, Write};
use super::daemon;
use super::file::File;
use super::file_range::FileRange;
use super::iterator::UserIterator;
use super::kernel::{offsets, read};
use super::stream::{self, Stream};

/// `(struct kiocb *iocb, struct iov_iter *from)`: whoever called it, by whatever system call.
#[inline(always)]
pub(super) fn wrote(slot: Slot, kiocb: u64, iterator: u64, result: i64) {
    let is_refused = !stream::has_written(result);
    if is_refused && !daemon::is_refused(result) {
        return;
    }
    let Some(root) = stream::root_of_current() else { return };
    let Some(file) = file_of(kiocb) else { return };
    let Some((stream, container)) = Stream::of_current(root, file) else { return };
    if !stream.has_written(result) {
        return;
    }
    if is_refused {
        // It took nothing: the iterator stands where the call began.
        if let Some(start) = UserIterator::read(iterator) {
            refused(container, slot, &stream, &start);
        }
        return;
    }
    let write = Write::new(&stream, slot, result as u64);
    let source = match UserIterator::read(iterator) {
        None => Source::Unseen(FileRange::NONE),
        Some(end) => match end.rewind(write.written_bytes) {
            None => Source::Unreadable,
            Some(start) => start.source(write.written_bytes),
        },
    };
    copy::run(container, &write, source);
}

/// Bytes have come into `file` without a buffer of the caller's. Only pipes: into anything else they come by a function
/// that [`wrote`] follows. `range`: where they came from, as so many bytes ago.
#[inline(always)]
pub(super) fn moved(
    file: impl FnOnce() -> Option<File>,
    range: impl FnOnce(u64) -> FileRange,
    result: i64,
) {
    if !stream::has_written(result) {
        return;
    }
    let Some(root) = stream::root_of_current() else { return };
    let Some(file) = file() else {
        account::node(NodeCounter::DescriptorGone);
        return;
    };
    if !file.is_fifo() {
        return;
    }
    let Some((stream, container)) = Stream::of_current(root, file) else { return };
    if stream.has_written(result) {
        let source = Source::Unseen(range(result as u64));
        copy::run(container, &Write::new(&stream, Slot::First, result as u64), source);
    }
}

/// `(struct file *file, const char __user *buf, size_t count, loff_t *ppos)`, where no iterator is made of the buffer.
#[inline(always)]
pub(super) fn discarded(slot: Slot, file: u64, address: u64, result: i64) {
    if !stream::has_written(result) {
        return;
    }
    let Some(root) = stream::root_of_current() else { return };
    let Some(file) = File::at(file) else { return };
    let Some((stream, container)) = Stream::of_current(root, file) else { return };
    let write = Write::new(&stream, slot, result as u64);
    copy::run(container, &write, Source::Buffer { address, bytes: write.written_bytes });
}

/// The whole of what is left in the iterator was refused.
#[inline(always)]
pub(super) fn refused(
    container: *mut Container,
    slot: Slot,
    stream: &Stream,
    iterator: &UserIterator,
) {
    let requested_bytes = daemon::requested_bytes(iterator.left_bytes);
    copy::run(
        container,
        &Write::new(stream, slot, requested_bytes),
        iterator.source(requested_bytes),
    );
}

/// An argument that points to a number: before Linux 5.17 the verifier lets a program load only those that point to a struct.
#[inline(always)]
pub(super) fn address(ctx: &FExitContext, index: u32) -> Option<u64> {
    read(ctx.as_ptr() as u64, index * 8)
}

/// What a `struct kiocb` writes to.
#[inline(always)]
pub(super) fn file_of(kiocb: u64) -> Option<File> {
    File::at(read(kiocb, offsets().get(|o| &o.kiocb_file))?)
}
