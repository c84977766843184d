//! Counting: the only writer of counters.

use collector_ebpf::{Counters, LossReason, NodeCounter};

use super::first_loss::FirstLoss;
use super::kernel::add;
use super::maps::NODE;

/// The kernel took `bytes` of one call.
#[inline(always)]
pub(super) fn written(counters: &mut Counters, bytes: u64) {
    add(&mut counters.written_bytes, bytes);
    add(&mut counters.written_writes, 1);
}

/// `bytes` are in the ring.
#[inline(always)]
pub(super) fn captured(counters: &mut Counters, bytes: u64) {
    add(&mut counters.captured_bytes, bytes);
}

/// The place of all of a call's `bytes` is in the ring.
#[inline(always)]
pub(super) fn referred(counters: &mut Counters, bytes: u64) {
    add(&mut counters.referred_bytes, bytes);
    add(&mut counters.referred_writes, 1);
}

/// `bytes` did not get into the ring.
#[inline(always)]
pub(super) fn lost(counters: &mut Counters, bytes: u64, reason: LossReason) {
    add(&mut counters.lost_total_bytes, bytes);
    add(&mut counters.lost_bytes[reason as usize], bytes);
}

/// A call is done.
#[inline(always)]
pub(super) fn finished(counters: &mut Counters, first_loss: FirstLoss) {
    if first_loss.is_none() {
        add(&mut counters.captured_writes, 1);
    } else if let Some(count) = counters.lost_writes.get_mut(first_loss.index()) {
        add(count, 1);
    }
}

/// Something happened that no container can be charged with.
#[inline(always)]
pub(super) fn node(counter: NodeCounter) {
    if let Some(count) = NODE.get_ptr_mut(counter as u32) {
        // SAFETY: the value is this CPU's own.
        unsafe { *count += 1 }
    }
}
