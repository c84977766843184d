//! The kernel half of Writetap: the binary that holds the programs.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    feature(core_intrinsics),
    expect(
        internal_features,
        reason = "BPF has no stable atomics; `atomic_xadd` is the instruction"
    )
)]

#[cfg(target_arch = "bpf")]
#[expect(
    clippy::inline_always,
    reason = "a function that is not inlined is a call that the verifier follows anew at each site"
)]
mod probe;

/// The programs exist for the BPF target only; built for the host, the binary is empty.
#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets programs call its GPL-only helpers (`bpf_probe_read_*`) under this licence.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
