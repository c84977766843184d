//! Programs of `kprobe.multi`, which `aya` 0.14 can neither load nor attach: it says nothing of how a program will be
//! attached when it loads it, and links by perf events only. To be removed when it can.
//!
//! `aya-obj`, the part of `aya` that reads objects, gives a program's instructions; the maps and the object's types are in
//! the kernel already, with what `aya` loaded. What is left are two system calls.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use aya::Ebpf;
use aya::maps::Map;
use aya_obj::Object;
use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_cmd, bpf_func_info, bpf_insn, bpf_prog_type,
};

/// `BPF_F_KPROBE_MULTI_RETURN`, `include/uapi/linux/bpf.h`: at the function's return.
const RETURN: u32 = 1;

/// What the verifier may say of a program that it refuses, in bytes.
const LOG_BYTES: usize = 64 << 10;

/// Why a program is not at work.
#[derive(Debug, thiserror::Error)]
pub enum MultiError {
    /// The object is damaged.
    #[error("failed to read the probe's object: {0}")]
    Object(String),
    /// There is no such program.
    #[error("the probe has no program `{0}`: it is of another version")]
    Program(&'static str),
    /// The types of the object are not in the kernel.
    #[error("failed to find the probe's types in the kernel")]
    Types(#[source] io::Error),
    /// Refused.
    #[error("failed to load the program `{program}`: {log}")]
    Load {
        /// Which.
        program: &'static str,
        /// The last line of what the verifier said.
        log: String,
        /// Why.
        source: io::Error,
    },
    /// Not there, or not to be followed.
    #[error("failed to attach to the kernel function `{function}`")]
    Attach {
        /// Which.
        function: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The object's programs, ready to be loaded.
pub(super) struct Programs {
    object: Object,
    types: OwnedFd,
}

impl Programs {
    /// Of the object that `ebpf` was loaded from and still has all maps of. `loaded` is one of its programs that is in the
    /// kernel.
    pub(super) fn new(bytes: &[u8], ebpf: &Ebpf, loaded: &str) -> Result<Self, MultiError> {
        let damaged = |error: &dyn std::error::Error| MultiError::Object(error.to_string());
        let mut object = Object::parse(bytes).map_err(|error| damaged(&error))?;
        let maps: Vec<_> = ebpf
            .maps()
            .filter_map(|(name, map)| Some((name, fd(map)?, object.maps.get(name)?.clone())))
            .collect();
        let texts: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let maps = maps.iter().map(|(name, fd, map)| (*name, *fd, map));
        object.relocate_maps(maps, &texts).map_err(|error| damaged(&error))?;
        object.relocate_calls(&texts).map_err(|error| damaged(&error))?;
        Ok(Self { object, types: types(ebpf, loaded).map_err(MultiError::Types)? })
    }

    /// Loads one.
    pub(super) fn load(&self, name: &'static str) -> Result<OwnedFd, MultiError> {
        let program = self.object.programs.get(name);
        let function = program.and_then(|program| {
            let function = self.object.functions.get(&program.function_key());
            Some((program, function?))
        });
        let (program, function) = function.ok_or(MultiError::Program(name))?;
        let mut log = vec![0; LOG_BYTES];
        let infos = &function.func_info.func_info;
        load(name, &function.instructions, &program.license, infos, self.types.as_fd(), &mut log)
            .map_err(|source| MultiError::Load { program: name, log: last_line(&log), source })
    }
}

/// Follows a function from its entry, or from its return on. The link lasts as long as the descriptor.
pub(super) fn attach(
    program: &OwnedFd,
    function: &'static str,
    at_return: bool,
) -> Result<OwnedFd, MultiError> {
    let symbol = CString::new(function).unwrap_or_default();
    let symbols = [symbol.as_ptr()];
    // Nobody wants it. But Linux 6.18 crashes when somebody reads the `fdinfo` of a link without (seen with 6.18.15, in
    // `bpf_kprobe_multi_show_fdinfo`), as every tool may that looks at open files.
    let cookies = [0_u64];
    // SAFETY: all zero is a valid value of this union of integers.
    let mut attr: bpf_attr = unsafe { zeroed() };
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    // SAFETY: the fields of one command, in the union's variant for it. The pointers outlive the call.
    let multi = unsafe { &mut attr.link_create.__bindgen_anon_3.kprobe_multi };
    multi.flags = if at_return { RETURN } else { 0 };
    multi.cnt = 1;
    multi.syms = symbols.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)
        .map_err(|source| MultiError::Attach { function, source })
}

fn load(
    name: &str,
    instructions: &[bpf_insn],
    license: &CString,
    functions: &[bpf_func_info],
    types: BorrowedFd<'_>,
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this union of integers.
    let mut attr: bpf_attr = unsafe { zeroed() };
    // SAFETY: the fields of one command, in the union's variant for it. The pointers outlive the call.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = instructions.len() as u32;
    load.license = license.as_ptr() as u64;
    // The global function among them is verified by itself, for which its types are needed.
    load.prog_btf_fd = types.as_raw_fd().cast_unsigned();
    load.func_info = functions.as_ptr() as u64;
    load.func_info_cnt = functions.len() as u32;
    load.func_info_rec_size = size_of::<bpf_func_info>() as u32;
    // Room for the terminating zero is left.
    for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    if let Ok(program) = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr) {
        return Ok(program);
    }
    // Once more, to hear why.
    // SAFETY: as above.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.log_level = 1;
    load.log_size = log.len() as u32;
    load.log_buf = log.as_mut_ptr() as u64;
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)
}

/// The types of the object, which the kernel got with a program that it has loaded.
fn types(ebpf: &Ebpf, loaded: &str) -> io::Result<OwnedFd> {
    let program = ebpf.program(loaded).ok_or(io::ErrorKind::NotFound)?;
    let info = program.info().map_err(io::Error::other)?;
    // SAFETY: all zero is a valid value of this union of integers.
    let mut attr: bpf_attr = unsafe { zeroed() };
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = info.btf_id().unwrap_or_default();
    bpf(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr)
}

/// The system call `bpf`, for commands that give a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads and writes `attr`, which is as long as it is told, and what its pointers lead to, which the
    // callers keep alive.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_int, &raw mut *attr, size_of::<bpf_attr>())
    };
    let fd = RawFd::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: these commands give a new descriptor, closed on exec, that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The descriptor of a map of one of the kinds that the probe has.
fn fd(map: &Map) -> Option<RawFd> {
    match map {
        Map::Array(map)
        | Map::HashMap(map)
        | Map::LruHashMap(map)
        | Map::PerCpuArray(map)
        | Map::RingBuf(map) => Some(map.fd().as_fd().as_raw_fd()),
        _ => None,
    }
}

fn last_line(log: &[u8]) -> String {
    let log = &log[..memchr::memchr(0, log).unwrap_or(log.len())];
    let lines = String::from_utf8_lossy(log);
    // The very last ones are counts of the verifier's work.
    let reason = |line: &&str| !line.is_empty() && !line.starts_with("processed ");
    lines.lines().rev().find(reason).unwrap_or_default().to_owned()
}
