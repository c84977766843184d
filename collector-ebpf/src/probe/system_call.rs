//! A system call has returned: is it a write to a watched container's stream?

use core::ptr;

use collector_ebpf::{Container, FileId, Header, Kind, NodeCounter, StreamTag};

use super::account;
use super::arch::{self, How};
use super::call;
use super::copy::{self, Slot, Source, Write};
use super::daemon::{self, Nowhere};
use super::file::File;
use super::file_range::FileRange;
use super::kernel::{current_task, field, has_typed_task, offsets, read};
use super::maps::FILES;
use super::ring;
use super::stream;

/// Cheapest question first: did it write, which call is it, whose cgroup, which file.
#[inline(always)]
pub(super) fn returned(registers: *const u64, result: i64) {
    let is_refused = !stream::has_written(result);
    if is_refused && !daemon::is_refused(result) {
        return;
    }
    // SAFETY: the verifier knows `registers` as a `struct pt_regs`.
    let register = |index: usize| unsafe { ptr::read_volatile(registers.add(index)) };
    let number = register(arch::NUMBER);
    let call = arch::call(number);
    if call.how == How::Not && !arch::is_compat_write(number) {
        return;
    }
    let Some(root) = stream::root_of_current() else { return };
    // The same number is another call for a 32-bit caller.
    if is_compat() {
        if !is_refused && arch::is_compat_write(number) {
            account::node(NodeCounter::Compat);
        }
        return;
    }
    if call.how == How::Not {
        return;
    }
    let Some(container) = stream::container(root) else { return };
    // All of them: of a place that depends on the call the verifier wants no part.
    let arguments = arch::ARGUMENTS.map(register);
    let argument = |index: usize| match index {
        0 => arguments[0],
        1 => arguments[1],
        _ => arguments[2],
    };
    let descriptor = argument(call.to) & 0xffff_ffff;
    let Some(file) = File::of_current(descriptor) else {
        if !is_refused {
            account::node(NodeCounter::DescriptorGone);
        }
        return;
    };
    let Some(id) = file.id() else { return };
    // SAFETY: user space removes the entry only when nothing runs in the cgroup.
    let stream = match stream::tag(unsafe { &*container }, &id) {
        Some(stream) if !is_refused => stream,
        Some(_) => return,
        // SAFETY: as above.
        None if is_daemon(root, unsafe { &*container }, file, descriptor, is_refused) => {
            StreamTag::Daemon
        }
        None => {
            // SAFETY: as above.
            discover(unsafe { &mut *container }, root, descriptor, file, &id);
            return;
        }
    };
    let [_, address, count] = arguments;
    let written_bytes = if is_refused {
        daemon::requested_bytes(match call.how {
            How::Buffer => count,
            How::Vector => daemon::vector_bytes(address, count),
            // Where it came from was not looked at.
            How::Unseen | How::Not => return,
        })
    } else {
        result as u64
    };
    let write = Write { root, stream, id, fd: descriptor as i32, written_bytes, slot: Slot::First };
    let source = match call.how {
        How::Not => return,
        How::Buffer => Source::Buffer { address, bytes: count },
        How::Vector => Source::Vector { address, segments: count },
        // What is read back pays from no bucket.
        How::Unseen if daemon::is_on() && stream == StreamTag::Daemon => {
            Source::Unseen(FileRange::NONE)
        }
        How::Unseen if call.from == arch::NO_ARGUMENT => Source::Unseen(FileRange::NONE),
        How::Unseen => {
            let (from, position) = (argument(call.from) & 0xffff_ffff, argument(call.from + 1));
            let file = File::of_current(from);
            Source::Unseen(FileRange::of(file, Some(from), position, written_bytes))
        }
    };
    copy::run(container, &write, source);
}

/// A system call has returned whose write may have been missed: then what it was called with is still kept, by the function that
/// wrote. Not so of calls that hand writes over in a queue: what they return is no count of bytes.
#[inline(always)]
pub(super) fn returned_again(registers: *const u64, result: i64) {
    if !stream::has_written(result) {
        return;
    }
    // SAFETY: the verifier knows `registers` as a `struct pt_regs`.
    let number = unsafe { *registers.add(arch::NUMBER) };
    let writes = matches!(arch::call(number).how, How::Buffer | How::Vector);
    let writes_if_compat = arch::is_compat_write(number);
    if !(writes || writes_if_compat) || stream::root_of_current().is_none() {
        return;
    }
    if if is_compat() { writes_if_compat } else { writes } {
        call::left(Slot::Third, result);
    }
}

/// Whether a write by this descriptor goes nowhere.
#[inline(always)]
fn is_daemon(
    root: u64,
    container: &Container,
    file: File,
    descriptor: u64,
    is_refused: bool,
) -> bool {
    let expected = if is_refused { Nowhere::REFUSED } else { Nowhere::TAKEN };
    daemon::is_on()
        && (descriptor == 1 || descriptor == 2)
        && daemon::nowhere(root, container, file) == expected
}

/// Announces a regular file the first time it is written. A container can make files without end, so it pays for them
/// like for its lines, and wakes nobody.
#[inline(always)]
fn discover(container: &mut Container, root: u64, descriptor: u64, file: File, id: &FileId) {
    if !file.is_regular() || FILES.get_ptr(id).is_some() {
        return;
    }
    let (unread_bytes, now_ns) = (ring::unread_bytes(), ring::now_ns());
    if !ring::may_add(&mut container.bucket, unread_bytes, size_of::<Header>() as u64, now_ns) {
        // It is announced at a later write.
        return;
    }
    let _full = FILES.insert(id, 1, 0);
    let _counted = ring::announce(Kind::Discovery, ring::wake(unread_bytes), |header| {
        header.cgroup_id = root;
        header.inode = id.inode;
        header.device = id.device;
        header.position = file.position();
        header.fd = descriptor as i32;
        copy::fill_writer(header);
    });
}

/// A 32-bit call has other numbers and other iovecs.
#[inline(always)]
fn is_compat() -> bool {
    let status = if has_typed_task() { status::<true>() } else { status::<false>() };
    status & arch::TS_COMPAT != 0
}

#[inline(always)]
fn status<const TYPED: bool>() -> u32 {
    let task = current_task::<TYPED>();
    field::<TYPED, _>(task, offsets().get(|o| &o.task_status)).unwrap_or(0)
}

/// What the first argument of a system call is open on; `registers` is the kernel address of its `struct pt_regs`.
#[inline(always)]
pub(super) fn first_file(registers: u64) -> Option<File> {
    let descriptor: u64 = read(registers, arch::ARGUMENTS[0] as u32 * 8)?;
    File::of_current(descriptor & 0xffff_ffff)
}
