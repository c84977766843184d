//! A kernel function that writes has returned, and its arguments are still at hand: backend `fexit`.

use collector_ebpf::NodeCounter;

use super::account;
use super::copy::{self, Slot, Source, Write};
use super::file::File;
use super::file_range::FileRange;
use super::iterator::UserIterator;
use super::kernel::{offsets, read};
use super::stream::{self, Stream};

/// `(struct kiocb *iocb, struct iov_iter *from)`: whoever called it, by whatever system call.
#[inline(always)]
pub(super) fn wrote(slot: Slot, kiocb: u64, iterator: u64, result: i64) {
    if !stream::has_written(result) {
        return;
    }
    let Some(root) = stream::root_of_current() else { return };
    let Some(file) = file_of(kiocb) else { return };
    let Some((stream, container)) = Stream::of_current(root, file) else { return };
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
    let source = Source::Unseen(range(result as u64));
    copy::run(container, &Write::new(&stream, Slot::First, result as u64), source);
}

/// What a `struct kiocb` writes to.
#[inline(always)]
pub(super) fn file_of(kiocb: u64) -> Option<File> {
    File::at(read(kiocb, offsets().get(|o| &o.kiocb_file))?)
}
