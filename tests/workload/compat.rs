//! System calls by their 32-bit numbers, as a program of 32 bits makes them. This one has 64: to the kernel the call counts,
//! not the program.

use std::arch::asm;
use std::io;
use std::ptr;
use std::slice;

/// `arch/x86/entry/syscalls/syscall_32.tbl`
const WRITE: u32 = 4;
/// As above.
const WRITEV: u32 = 146;

/// Room for a line and its segments, where 32 bits can tell it.
const BYTES: usize = 4096;
/// Where in it the segments are.
const SEGMENTS: usize = 2048;

/// Writes a line to stdout.
pub(super) fn write(line: &[u8]) -> io::Result<usize> {
    let memory = place(line)?;
    // SAFETY: the address and the length are those of the line.
    unsafe { call(WRITE, [memory.as_ptr() as u32, line.len() as u32]) }
}

/// The same from two segments, whose addresses and lengths have 32 bits each.
pub(super) fn writev(line: &[u8]) -> io::Result<usize> {
    let memory = place(line)?;
    let (start, half) = (memory.as_ptr() as u32, line.len() as u32 / 2);
    let segments = [start, half, start + half, line.len() as u32 - half];
    for (word, value) in memory[SEGMENTS..].chunks_mut(4).zip(segments) {
        word.copy_from_slice(&value.to_ne_bytes());
    }
    // SAFETY: the address and the number are those of the segments.
    unsafe { call(WRITEV, [start + SEGMENTS as u32, 2]) }
}

/// Memory that begins with the line; never given back.
fn place(line: &[u8]) -> io::Result<&'static mut [u8]> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    // SAFETY: a new mapping, which is nobody else's.
    let memory = unsafe {
        let memory = libc::mmap(ptr::null_mut(), BYTES, protection, flags, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        slice::from_raw_parts_mut(memory.cast::<u8>(), BYTES)
    };
    memory[..line.len()].copy_from_slice(line);
    Ok(memory)
}

/// A call with stdout as its first argument.
unsafe fn call(number: u32, [second, third]: [u32; 2]) -> io::Result<usize> {
    let result: i32;
    // SAFETY: the interrupt is the kernel's entry for such calls. `rbx` is the compiler's: it is put back.
    unsafe {
        asm!(
            "xchg {first:r}, rbx",
            "int 0x80",
            "xchg {first:r}, rbx",
            first = inout(reg) 1_u64 => _,
            inlateout("eax") number => result,
            in("ecx") second,
            in("edx") third,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result as usize) }
}
