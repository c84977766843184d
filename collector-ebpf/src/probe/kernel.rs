//! Reads of kernel memory at offsets that user space resolved, and the atomic add.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf};
use collector_ebpf::{Offsets, Settings};

use super::maps::{OFFSETS, SETTINGS};

/// The offsets. Volatile, or the compiler would take the zeros that the object is built with for the values.
#[inline(always)]
pub(super) fn offsets() -> &'static Volatile<Offsets> {
    Volatile::new(&OFFSETS)
}

/// The settings.
#[inline(always)]
pub(super) fn settings() -> &'static Volatile<Settings> {
    Volatile::new(&SETTINGS)
}

/// A global that only user space writes, before the program runs.
#[repr(transparent)]
pub(super) struct Volatile<T>(T);

impl<T> Volatile<T> {
    #[inline(always)]
    fn new(global: &'static T) -> &'static Self {
        // SAFETY: `repr(transparent)`.
        unsafe { &*ptr::from_ref(global).cast() }
    }

    /// The field that `field` chooses.
    #[inline(always)]
    pub(super) fn get<F: Copy>(&self, field: impl FnOnce(&T) -> &F) -> F {
        // SAFETY: a reference to a static is valid for reads.
        unsafe { ptr::read_volatile(field(&self.0)) }
    }
}

/// Whether the verifier knows the type of the current task. It takes the answer for the constant that it is, and does not
/// look at what is behind the other one: so a kernel may lack the helper there.
#[inline(always)]
pub(super) fn has_typed_task() -> bool {
    settings().get(|s| &s.typed_task) != 0
}

/// The current task, as a pointer whose type the verifier knows if it is `TYPED`.
#[inline(always)]
pub(super) fn current_task<const TYPED: bool>() -> *const u8 {
    if TYPED {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_get_current_task_btf().cast() }
    } else {
        // SAFETY: as above.
        unsafe { bpf_get_current_task() as *const u8 }
    }
}

/// Reads a field of the current task, or of what one of its fields points to. Where the type is known that is a plain
/// load, which a fault turns into 0, and gives a pointer of known type again; else a call of a helper.
#[inline(always)]
pub(super) fn field<const TYPED: bool, T: Copy>(base: *const u8, offset: u32) -> Option<T> {
    if !TYPED {
        return read(base as u64, offset);
    }
    if base.is_null() {
        return None;
    }
    // SAFETY: the verifier checks that there is such a field, and the load cannot fault.
    Some(unsafe { base.add(offset as usize).cast::<T>().read() })
}

/// Reads a `T` at `base + offset`, or gives `None` where `base` is null or the read faults.
#[inline(always)]
pub(super) fn read<T>(base: u64, offset: u32) -> Option<T> {
    if base == 0 {
        return None;
    }
    // SAFETY: the helper checks the address and fills a local value.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// Adds to a counter that other CPUs add to as well. What it was before is not asked for: that takes Linux 5.12.
#[inline(always)]
pub(super) fn add(counter: &mut u64, value: u64) {
    // SAFETY: `counter` is valid and aligned.
    let _before = unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(ptr::from_mut(counter), value)
    };
}
