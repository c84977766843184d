//! Copying the bytes of a completed write from the writer's memory into records.

use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_probe_read_user};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
    bpf_probe_read_user as read_user,
};
use collector_ebpf::{
    CHUNK_BYTES, Container, Counters, FileId, Header, Kind, LossReason, StreamTag,
};

use super::account;
use super::daemon;
use super::file_range::FileRange;
use super::first_loss::FirstLoss;
use super::kernel::{read, settings};
use super::maps::{CONTAINERS, SCRATCH, Scratch};
use super::ring;
use super::stream::{self, Stream};

/// Rounds of the copy loop: each ends a segment or a record. Enough for the most segments that a call may have
/// (`UIO_MAXIOV`, 1024) and for 1 MiB (64 records) at once; what is left then is a loss of reason `too_large`.
const ROUNDS: usize = 1024 + (1 << 20) / CHUNK_BYTES;

/// Which scratch of its CPU a program uses. Where one may be preempted, another may run on the same CPU meanwhile; the same
/// one never does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    First = 0,
    Second = 1,
    Third = 2,
    Fourth = 3,
    Fifth = 4,
}

/// Which write it is.
pub(super) struct Write {
    /// Topmost cgroup of the container.
    pub root: u64,
    /// Which of its streams.
    pub stream: StreamTag,
    /// The stream's object.
    pub id: FileId,
    /// The descriptor of the call; -1 if that is not known.
    pub fd: i32,
    /// The call's result, or what it asked for if that is what counts.
    pub written_bytes: u64,
    /// For the program that sees it.
    pub slot: Slot,
}

impl Write {
    /// One that did not come with a descriptor.
    #[inline(always)]
    pub(super) fn new(stream: &Stream, slot: Slot, written_bytes: u64) -> Self {
        Self { root: stream.root, stream: stream.tag(), id: stream.id, fd: -1, written_bytes, slot }
    }
}

/// Where the bytes are, in the writer's memory.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// `count` bytes were offered at `address`.
    Buffer { address: u64, bytes: u64 },
    /// `segments` of `struct iovec` stand at `address`.
    Vector { address: u64, segments: u64 },
    /// The same, but they stand in the kernel's memory; of the first, `skip_bytes` are no part of it. `bytes` were offered.
    KernelVector { address: u64, segments: u64, skip_bytes: u64, bytes: u64 },
    /// Where they were is not known any more.
    Unreadable,
    /// They were never in the writer's memory, but there, if that is known.
    Unseen(FileRange),
}

/// Copies the write into records and counts it.
#[inline(always)]
pub(super) fn run(container: *mut Container, write: &Write, source: Source) {
    // References are made anew around the walk, which makes its own of the same memory.
    if let Source::Unseen(range) = source {
        // SAFETY: the entry lives at least as long as a process in its cgroup.
        report_unseen(unsafe { &mut *container }, write, &range);
        return;
    }
    // SAFETY: as above.
    let counters = unsafe { &mut (*container).streams[write.stream as usize] };
    account::written(counters, write.written_bytes);
    if let Source::Unreadable = source {
        account::lost(counters, write.written_bytes, LossReason::Fault);
        account::finished(counters, FirstLoss::new(LossReason::Fault));
        return;
    }
    let Some(scratch) = scratch(write.slot as u32) else { return };
    fill(&mut scratch.header, write);
    let first_loss = match source {
        Source::Buffer { address, bytes } => {
            scratch.header.requested_bytes = saturate(bytes);
            if write.written_bytes <= CHUNK_BYTES as u64 {
                // SAFETY: as above.
                let container = unsafe { &mut *container };
                copy_small(container, write.stream, scratch, address, write.written_bytes)
            } else {
                start_walk(scratch, [0, 0], [address, write.written_bytes], write.written_bytes);
                walk(container, write)
            }
        }
        Source::Vector { address, segments } => {
            scratch.header.requested_bytes = saturate(write.written_bytes);
            start_walk(scratch, [address, segments], [0, 0], write.written_bytes);
            walk(container, write)
        }
        Source::KernelVector { address, segments, skip_bytes, bytes } => {
            scratch.header.requested_bytes = saturate(bytes);
            start_walk(scratch, [address, segments], [0, 0], write.written_bytes);
            [scratch.walk.is_kernel, scratch.walk.skip_bytes] = [1, skip_bytes];
            walk(container, write)
        }
        Source::Unreadable | Source::Unseen(_) => return,
    };
    // SAFETY: as above.
    let counters = unsafe { &mut (*container).streams[write.stream as usize] };
    account::finished(counters, first_loss);
}

/// This CPU's scratch for a [`Slot`].
#[inline(always)]
fn scratch(slot: u32) -> Option<&'static mut Scratch> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let index = cpu + slot * settings().get(|s| &s.cpus) as u32;
    // SAFETY: no other program uses this scratch while this one runs: the kernel never runs a tracing program on a CPU
    // where it is running already, and those that may run there meanwhile have other slots.
    SCRATCH.get_ptr_mut(index).map(|scratch| unsafe { &mut *scratch })
}

/// Reports a write whose bytes were never in user memory. The record costs like one with bytes: such calls are cheap.
///
/// Where they came from a file, they are lost only if nobody hears of it: it may be read, and at once, before the writer is
/// gone with its descriptors.
#[inline(always)]
fn report_unseen(container: &mut Container, write: &Write, range: &FileRange) {
    let counters = &mut container.streams[write.stream as usize];
    account::written(counters, write.written_bytes);
    if !range.is_known() {
        lose_unseen(counters, write.written_bytes);
    }
    let lost_bytes = counters.lost_total_bytes;
    let (unread_bytes, now_ns) = (ring::unread_bytes(), ring::now_ns());
    // If not, the stream's next record says that bytes were lost before it.
    let is_announced =
        may_add(container, write.stream, unread_bytes, size_of::<Header>() as u64, now_ns) && {
            let wake = if range.is_known() { ring::WAKE } else { ring::wake(unread_bytes) };
            ring::announce(Kind::Unseen, wake, |header| {
                header.cgroup_id = write.root;
                header.lost_bytes = lost_bytes;
                header.inode = range.file.inode;
                header.device = range.file.device;
                header.position = range.position;
                header.written_bytes = saturate(write.written_bytes);
                header.fd = range.fd as i32;
                header.stream = write.stream as u8;
                fill_writer(header);
            })
        };
    if range.is_known() {
        let counters = &mut container.streams[write.stream as usize];
        if is_announced {
            account::referred(counters, write.written_bytes);
        } else {
            lose_unseen(counters, write.written_bytes);
        }
    }
}

#[inline(always)]
fn lose_unseen(counters: &mut Counters, bytes: u64) {
    account::lost(counters, bytes, LossReason::Unseen);
    account::finished(counters, FirstLoss::new(LossReason::Unseen));
}

/// Says who writes.
#[inline(always)]
pub(super) fn fill_writer(header: &mut Header) {
    let id = bpf_get_current_pid_tgid();
    header.tgid = (id >> 32) as u32;
    header.tid = id as u32;
    header.uid = bpf_get_current_uid_gid() as u32;
    header.comm = bpf_get_current_comm().unwrap_or_default();
}

#[inline(always)]
fn fill(header: &mut Header, write: &Write) {
    header.cgroup_id = write.root;
    header.time_ns = ring::now_ns();
    header.inode = write.id.inode;
    header.position = 0;
    header.written_bytes = saturate(write.written_bytes);
    header.offset_bytes = 0;
    header.device = write.id.device;
    header.fd = write.fd;
    header.chunk = 0;
    header.kind = Kind::Write as u8;
    header.stream = write.stream as u8;
    fill_writer(header);
}

/// The common case: one buffer that fits into one record.
#[inline(always)]
fn copy_small(
    container: &mut Container,
    stream: StreamTag,
    scratch: &mut Scratch,
    address: u64,
    bytes: u64,
) -> FirstLoss {
    if !copy(scratch, 0, address, bytes) {
        account::lost(&mut container.streams[stream as usize], bytes, LossReason::Fault);
        return FirstLoss::new(LossReason::Fault);
    }
    match put(container, stream, scratch, bytes) {
        Ok(()) => FirstLoss::NONE,
        Err(reason) => FirstLoss::new(reason),
    }
}

/// `vector` and `segment` are an address and a count each.
#[inline(always)]
fn start_walk(scratch: &mut Scratch, vector: [u64; 2], segment: [u64; 2], left_bytes: u64) {
    let walk = &mut scratch.walk;
    [walk.vector, walk.vectors] = vector;
    [walk.is_kernel, walk.skip_bytes] = [0, 0];
    [walk.segment, walk.segment_bytes] = segment;
    walk.left_bytes = left_bytes;
    walk.gathered_bytes = 0;
    walk.first_loss = FirstLoss::NONE;
}

/// Gathers segments into records of up to [`CHUNK_BYTES`], in [`ROUNDS`] rounds at most.
#[inline(always)]
fn walk(container: *mut Container, write: &Write) -> FirstLoss {
    let mut reason = LossReason::TooLarge;
    for _ in 0..ROUNDS {
        if copy_round(write.root, write.stream as u32, write.slot as u32) == 0 {
            // If bytes are left, their iovecs could not be read, or say something else by now.
            reason = LossReason::Fault;
            break;
        }
    }
    let Some(scratch) = scratch(write.slot as u32) else { return FirstLoss::NONE };
    let rest_bytes = scratch.walk.left_bytes;
    if rest_bytes > 0 {
        // SAFETY: the rounds are over, and their references with them.
        let container = unsafe { &mut *container };
        // The rounds may have ended in the middle of a record.
        flush(container, write.stream, scratch);
        lose(container, write.stream, scratch, rest_bytes, reason);
    }
    scratch.walk.first_loss
}

/// One round of the walk over a write to a stream of the container `root`: take the next segment if the current one is
/// done, copy of it what fits, send the record if it is full or the write's last. 0: there is no more to do.
///
/// A global function: the verifier looks at it once, by itself (5.6 on), and not in every round of the loop, which would
/// take more than the million instructions it has patience for. So it may take numbers only.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn copy_round(root: u64, stream: u32, slot: u32) -> u32 {
    let stream = stream::tag_of(stream);
    let Some(container) = CONTAINERS.get_ptr_mut(root) else { return 0 };
    let Some(scratch) = scratch(slot) else { return 0 };
    // SAFETY: as in `run`, which called this.
    let container = unsafe { &mut *container };
    u32::from(round(container, stream, scratch))
}

#[inline(always)]
fn round(container: &mut Container, stream: StreamTag, scratch: &mut Scratch) -> bool {
    if scratch.walk.left_bytes == 0 {
        return false;
    }
    let more = scratch.walk.segment_bytes > 0 || next_segment(scratch);
    let gathered = scratch.walk.gathered_bytes;
    let mut bytes = CHUNK_BYTES as u64 - (gathered & (CHUNK_BYTES as u64 - 1));
    if bytes > scratch.walk.segment_bytes {
        bytes = scratch.walk.segment_bytes;
    }
    if bytes > scratch.walk.left_bytes {
        bytes = scratch.walk.left_bytes;
    }
    let address = scratch.walk.segment;
    let copied = copy(scratch, gathered, address, bytes);
    scratch.walk.segment += bytes;
    scratch.walk.segment_bytes -= bytes;
    scratch.walk.left_bytes -= bytes;
    let gathered = if copied { gathered + bytes } else { gathered };
    scratch.walk.gathered_bytes = gathered;
    let full = gathered == CHUNK_BYTES as u64;
    if full || !copied || !more || scratch.walk.left_bytes == 0 {
        flush(container, stream, scratch);
    }
    if !copied {
        lose(container, stream, scratch, bytes, LossReason::Fault);
    }
    more
}

#[inline(always)]
fn next_segment(scratch: &mut Scratch) -> bool {
    let walk = &mut scratch.walk;
    if walk.vectors == 0 {
        return false;
    }
    // `struct iovec` is two words.
    let vector = if walk.is_kernel != 0 {
        read::<[u64; 2]>(walk.vector, 0)
    } else {
        // SAFETY: the helper checks the address.
        unsafe { read_user(walk.vector as *const [u64; 2]) }.ok()
    };
    let Some([base, length]) = vector else { return false };
    let skip_bytes = if walk.skip_bytes > length { length } else { walk.skip_bytes };
    walk.skip_bytes = 0;
    walk.segment = base + skip_bytes;
    walk.segment_bytes = length - skip_bytes;
    walk.vector += 16;
    walk.vectors -= 1;
    true
}

/// Sends what is gathered, or counts it as lost.
#[inline(always)]
fn flush(container: &mut Container, stream: StreamTag, scratch: &mut Scratch) {
    let bytes = scratch.walk.gathered_bytes;
    if bytes == 0 {
        return;
    }
    scratch.walk.gathered_bytes = 0;
    if let Err(reason) = put(container, stream, scratch, bytes) {
        scratch.walk.first_loss = scratch.walk.first_loss.or(reason);
    }
    scratch.header.offset_bytes += bytes as u32;
    scratch.header.chunk += 1;
}

#[inline(always)]
fn lose(
    container: &mut Container,
    stream: StreamTag,
    scratch: &mut Scratch,
    bytes: u64,
    reason: LossReason,
) {
    account::lost(&mut container.streams[stream as usize], bytes, reason);
    scratch.header.offset_bytes += bytes as u32;
    scratch.walk.first_loss = scratch.walk.first_loss.or(reason);
}

/// Copies from the writer's memory to `offset` in the payload.
#[inline(always)]
fn copy(scratch: &mut Scratch, offset: u64, address: u64, bytes: u64) -> bool {
    // Opaque to the compiler, which knows the bound of a minimum and leaves out the check: verifiers up to 6.7 learn
    // nothing from the comparison of two registers.
    let bytes = core::hint::black_box(bytes);
    if offset > CHUNK_BYTES as u64 || bytes > CHUNK_BYTES as u64 {
        return false;
    }
    // SAFETY: both bounds were checked; the payload is twice as long as each of them.
    let destination = unsafe { scratch.payload.as_mut_ptr().add(offset as usize) };
    // SAFETY: the helper checks the address, and writes `bytes` to the payload.
    unsafe { bpf_probe_read_user(destination.cast(), bytes as u32, address as *const _) == 0 }
}

/// Asks for room for the record, sends it, and counts what came of it.
#[inline(always)]
fn put(
    container: &mut Container,
    stream: StreamTag,
    scratch: &mut Scratch,
    bytes: u64,
) -> Result<(), LossReason> {
    scratch.header.lost_bytes = container.streams[stream as usize].lost_total_bytes;
    scratch.header.captured_bytes = bytes as u32;
    let unread_bytes = ring::unread_bytes();
    let record_bytes = size_of::<Header>() as u64 + bytes;
    let now_ns = scratch.header.time_ns;
    let reason = if !may_add(container, stream, unread_bytes, record_bytes, now_ns) {
        LossReason::RateLimited
    } else if !ring::put(scratch, bytes, unread_bytes) {
        LossReason::RingFull
    } else {
        account::captured(&mut container.streams[stream as usize], bytes);
        return Ok(());
    };
    account::lost(&mut container.streams[stream as usize], bytes, reason);
    Err(reason)
}

/// Whether the container may add a record of the stream. What nobody reads has a bucket of its own, which is always in force:
/// it takes nothing from the others, of this container or of another.
#[inline(always)]
fn may_add(
    container: &mut Container,
    stream: StreamTag,
    unread_bytes: u64,
    record_bytes: u64,
    now_ns: u64,
) -> bool {
    if daemon::is_on() && stream == StreamTag::Daemon {
        ring::may_add_of_nobody(&mut container.daemon_bucket, record_bytes, now_ns)
    } else {
        ring::may_add(&mut container.bucket, unread_bytes, record_bytes, now_ns)
    }
}

#[inline(always)]
fn saturate(bytes: u64) -> u32 {
    if bytes > u64::from(u32::MAX) { u32::MAX } else { bytes as u32 }
}
