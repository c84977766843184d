//! What user space tells the probe before it is loaded: read-only globals, so that the verifier sees constants.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Offsets of kernel struct fields in bytes, from this kernel's BTF. Rust probes carry no CO-RE relocations.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Offsets {
    /// `task_struct.files`
    pub task_files: u32,
    /// `task_struct.thread_info.status`: the bit `TS_COMPAT` marks a 32-bit system call (`x86_64`).
    pub task_status: u32,
    /// `files_struct.fdt`
    pub files_fdt: u32,
    /// `fdtable.max_fds`
    pub fdt_max_fds: u32,
    /// `fdtable.fd`
    pub fdt_fd: u32,
    /// `file.f_inode`
    pub file_inode: u32,
    /// `file.f_pos`
    pub file_pos: u32,
    /// `inode.i_mode`
    pub inode_mode: u32,
    /// `inode.i_ino`
    pub inode_ino: u32,
    /// `inode.i_rdev`
    pub inode_rdev: u32,
    /// `inode.i_sb`
    pub inode_sb: u32,
    /// `super_block.s_dev`
    pub sb_dev: u32,
    /// `super_block.s_magic`
    pub sb_magic: u32,
    /// `super_block.s_user_ns`
    pub sb_user_ns: u32,
    /// `user_namespace.level`
    pub user_ns_level: u32,
    /// `kiocb.ki_filp`
    pub kiocb_file: u32,
    /// `iov_iter.iter_type`; `type` up to 5.13
    pub iter_kind: u32,
    /// `iov_iter.iov_offset`
    pub iter_offset: u32,
    /// `iov_iter.count`
    pub iter_count: u32,
    /// `iov_iter.nr_segs`
    pub iter_segments: u32,
    /// `iov_iter.__iov`, `iov` up to 6.3; and `iov_iter.ubuf`, in a union with it
    pub iter_pointer: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `cgroup.root`
    pub cgroup_root: u32,
    /// `cgroup_root.hierarchy_id`
    pub root_hierarchy_id: u32,
    /// `kernfs_node.id`
    pub kernfs_id: u32,
    /// `kernfs_node.name`
    pub kernfs_name: u32,
    /// `kernfs_node.parent`, `__parent` from 6.15 on
    pub kernfs_parent: u32,
    /// `task_struct.real_parent`; from here on: for the class `daemon` only.
    pub task_parent: u32,
    /// `task_struct.cgroups`
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`
    pub css_set_cgroup: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `signal_struct.pids`
    pub signal_pids: u32,
    /// `pid.level`
    pub pid_level: u32,
    /// `pid.numbers`
    pub pid_numbers: u32,
}

/// Policy. Zero switches a bound off only where its field says so.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Settings {
    /// The ring holds more unread bytes than this: wake the reader.
    pub wake_bytes: u64,
    /// The ring holds more unread bytes than this: containers pay from their buckets.
    pub pressure_bytes: u64,
    /// Refill of a bucket, in bytes per second.
    pub share_bytes_per_second: u64,
    /// Capacity of a bucket, in bytes.
    pub share_burst_bytes: u64,
    /// Refill of a container's bucket for the stream `Daemon`, in bytes per second. 0: there is no such stream.
    pub daemon_bytes_per_second: u64,
    /// Capacity of that bucket, in bytes.
    pub daemon_burst_bytes: u64,
    /// Not 0: the kernel has `bpf_get_current_task_btf` (5.11), and lets the probe read what it leads to by plain loads.
    pub typed_task: u64,
    /// Possible CPUs.
    pub cpus: u64,
    /// The bits of an iterator's kind that say what it is: the old field has the direction and flags in the others.
    pub iter_kind_mask: u64,
    /// `ITER_IOVEC`
    pub iter_vector: u64,
    /// `ITER_UBUF`; above any kind where there is none, before 6.0.
    pub iter_buffer: u64,
}

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, `u32` fields only, no padding.
unsafe impl aya::Pod for Offsets {}

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, `u64` fields only, no padding.
unsafe impl aya::Pod for Settings {}
