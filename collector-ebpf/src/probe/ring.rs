//! Putting records into the ring, and waking its reader only when it is worth it.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use collector_ebpf::{Bucket, Header, Kind, NodeCounter, RECORD_BYTES, Reader};
use zerocopy::IntoBytes as _;

use super::account;
use super::kernel::settings;
use super::maps::{READER, RING, Scratch};

/// `CLOCK_BOOTTIME`, in ns.
#[inline(always)]
pub(super) fn now_ns() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Bytes that the reader has not consumed.
#[inline(always)]
pub(super) fn unread_bytes() -> u64 {
    RING.query(u64::from(BPF_RB_AVAIL_DATA))
}

/// Whether a container may add a record now. While the ring is under pressure it pays from its bucket, so that a flood
/// leaves room for the others. The bucket is not locked: two CPUs may both take the last tokens, which only makes the
/// bound a little softer.
#[inline(always)]
pub(super) fn may_add(
    bucket: &mut Bucket,
    unread_bytes: u64,
    record_bytes: u64,
    now_ns: u64,
) -> bool {
    if unread_bytes < settings().get(|s| &s.pressure_bytes) {
        return true;
    }
    let rate = settings().get(|s| &s.share_bytes_per_second);
    pay(bucket, rate, settings().get(|s| &s.share_burst_bytes), record_bytes, now_ns)
}

/// The same of a record that nobody would miss: it pays at any time.
#[inline(always)]
pub(super) fn may_add_of_nobody(bucket: &mut Bucket, record_bytes: u64, now_ns: u64) -> bool {
    let rate = settings().get(|s| &s.daemon_bytes_per_second);
    pay(bucket, rate, settings().get(|s| &s.daemon_burst_bytes), record_bytes, now_ns)
}

/// Takes as much from a bucket that gains `rate` bytes a second up to `burst_bytes`, if it has as much.
#[inline(always)]
fn pay(bucket: &mut Bucket, rate: u64, burst_bytes: u64, record_bytes: u64, now_ns: u64) -> bool {
    let elapsed_us = now_ns.saturating_sub(bucket.refilled_ns) / 1000;
    // A second refills all of it at the least rate that is allowed; the cap keeps the product below 2^64.
    let elapsed_us = if elapsed_us > 60_000_000 { 60_000_000 } else { elapsed_us };
    let refill_bytes = elapsed_us * rate / 1_000_000;
    if refill_bytes > 0 {
        let tokens = bucket.tokens_bytes + refill_bytes;
        bucket.tokens_bytes = if tokens > burst_bytes { burst_bytes } else { tokens };
        bucket.refilled_ns = now_ns;
    }
    if bucket.tokens_bytes < record_bytes {
        return false;
    }
    bucket.tokens_bytes -= record_bytes;
    true
}

/// Puts the scratch's header and `payload_bytes` of its payload into the ring.
#[inline(always)]
pub(super) fn put(scratch: &mut Scratch, payload_bytes: u64, unread_bytes: u64) -> bool {
    let flags = wake(unread_bytes);
    // Opaque to the compiler, which would reuse a sum made before this check, and the last thing before the call, or it
    // would keep the sum on the stack meanwhile: the verifier does not know the two as one.
    let record_bytes = core::hint::black_box(size_of::<Header>() + payload_bytes as usize);
    if record_bytes > RECORD_BYTES {
        return false;
    }
    let record = core::ptr::from_ref(scratch).cast::<u8>();
    // SAFETY: `repr(C)`, the payload follows the header without a gap, and the length was checked.
    let record = unsafe { core::slice::from_raw_parts(record, record_bytes) };
    RING.output::<[u8]>(record, flags).is_ok()
}

/// The flag that wakes the reader at once.
pub(super) const WAKE: u64 = BPF_RB_FORCE_WAKEUP as u64;

/// Puts a record without payload that tells user space of an event. Whether there was room for it.
#[inline(always)]
pub(super) fn announce(kind: Kind, wake: u64, fill: impl FnOnce(&mut Header)) -> bool {
    let mut header = Header { time_ns: now_ns(), kind: kind as u8, ..Header::default() };
    fill(&mut header);
    let is_announced = RING.output::<[u8]>(header.as_bytes(), wake).is_ok();
    if !is_announced {
        account::node(NodeCounter::EventLost);
    }
    is_announced
}

/// The flag for the next record: who sleeps for one tick is woken by a filling ring, who sleeps for long by anything.
#[inline(always)]
pub(super) fn wake(unread_bytes: u64) -> u64 {
    let no = u64::from(BPF_RB_NO_WAKEUP);
    let Some(reader) = READER.get_ptr_mut(0) else { return no };
    // SAFETY: the pointer is of a map value; a lost race costs one wake-up or one tick.
    let state = unsafe { *reader };
    let due = state == Reader::Asleep as u32
        || (state == Reader::Dozing as u32 && unread_bytes > settings().get(|s| &s.wake_bytes));
    if !due {
        return no;
    }
    // SAFETY: as above.
    unsafe { *reader = Reader::Awake as u32 }
    WAKE
}
