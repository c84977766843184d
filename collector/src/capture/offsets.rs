//! The kernel struct fields that the probe reads, resolved for the running kernel.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use collector_ebpf::Offsets;

use super::btf::{Btf, BtfError};
use super::hooks::Hooks;

/// Why the offsets are not known.
#[derive(Debug, thiserror::Error)]
pub enum OffsetsError {
    /// The kernel offers no type information.
    #[error(
        "failed to read the kernel's types `{}`; capture needs a kernel built with CONFIG_DEBUG_INFO_BTF (5.4 or later)",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is damaged.
    #[error("failed to parse the kernel's types `{}`", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: BtfError,
    },
    /// This kernel has changed.
    #[error("this kernel has no field {}; capture needs a newer version of Writetap", fields.join(", "))]
    Missing {
        /// As `struct.field`.
        fields: Vec<String>,
    },
}

/// What the probe has to know of the kernel.
pub(super) struct Kernel {
    /// Where the fields are.
    pub(super) offsets: Offsets,
    /// Whether programs get the current task as a pointer of known type: Linux 5.11.
    pub(super) has_typed_task: bool,
    /// What a function that writes is handed; `None` if this kernel has it in another form.
    pub(super) iterators: Option<Iterators>,
    /// The functions that write.
    pub(super) hooks: Hooks,
    /// Whether `kprobe.multi` stands on the function graph tracer, which keeps a thread's returns in the thread: Linux
    /// 6.14. Before, a few threads that wait in a function use up the places for all.
    pub(super) has_graph_probes: bool,
}

/// The kinds of `struct iov_iter`.
#[derive(Clone, Copy)]
pub(super) struct Iterators {
    /// The bits that say what it is.
    pub(super) kind_mask: u32,
    /// `ITER_IOVEC`
    pub(super) vector: u32,
    /// `ITER_UBUF`, from Linux 6.0 on.
    pub(super) buffer: Option<u32>,
}

/// Finds every field that the probe reads, or names all that are missing. `has_daemon`: those of
/// the class `daemon` too, and as for [`Hooks::find`].
pub(super) fn resolve(path: &Path, has_daemon: bool) -> Result<Kernel, OffsetsError> {
    let data =
        fs::read(path).map_err(|source| OffsetsError::Read { path: path.to_owned(), source })?;
    let btf = Btf::parse(&data)
        .map_err(|source| OffsetsError::Parse { path: path.to_owned(), source })?;
    let (iterator, iterators) = iterator(&btf).unzip();
    let mut fields = Vec::new();
    // The first name that exists; later ones are the names of older kernels.
    let mut find = |structure: &str, names: &[&str]| {
        names.iter().find_map(|name| btf.offset(structure, name)).unwrap_or_else(|| {
            fields.push(format!("{structure}.{}", names[0]));
            0
        })
    };
    let offsets = Offsets {
        task_files: find("task_struct", &["files"]),
        task_status: find("task_struct", &["thread_info.status"]),
        files_fdt: find("files_struct", &["fdt"]),
        fdt_max_fds: find("fdtable", &["max_fds"]),
        fdt_fd: find("fdtable", &["fd"]),
        file_inode: find("file", &["f_inode"]),
        file_pos: find("file", &["f_pos"]),
        inode_mode: find("inode", &["i_mode"]),
        inode_ino: find("inode", &["i_ino"]),
        inode_rdev: find("inode", &["i_rdev"]),
        inode_sb: find("inode", &["i_sb"]),
        sb_dev: find("super_block", &["s_dev"]),
        sb_magic: find("super_block", &["s_magic"]),
        sb_user_ns: find("super_block", &["s_user_ns"]),
        user_ns_level: find("user_namespace", &["level"]),
        cgroup_kn: find("cgroup", &["kn"]),
        cgroup_root: find("cgroup", &["root"]),
        root_hierarchy_id: find("cgroup_root", &["hierarchy_id"]),
        kernfs_id: find("kernfs_node", &["id"]),
        kernfs_name: find("kernfs_node", &["name"]),
        kernfs_parent: find("kernfs_node", &["__parent", "parent"]),
        ..iterator.unwrap_or_default()
    };
    let offsets = if has_daemon {
        Offsets {
            task_parent: find("task_struct", &["real_parent"]),
            task_cgroups: find("task_struct", &["cgroups"]),
            css_set_cgroup: find("css_set", &["dfl_cgrp"]),
            task_signal: find("task_struct", &["signal"]),
            signal_pids: find("signal_struct", &["pids"]),
            pid_level: find("pid", &["level"]),
            pid_numbers: find("pid", &["numbers"]),
            ..offsets
        }
    } else {
        offsets
    };
    if !fields.is_empty() {
        return Err(OffsetsError::Missing { fields });
    }
    Ok(Kernel {
        offsets,
        has_typed_task: btf.enumerator("BPF_FUNC_get_current_task_btf").is_some(),
        iterators,
        hooks: Hooks::find(&btf, has_daemon),
        has_graph_probes: btf.has_struct("fprobe_hlist"),
    })
}

/// The fields of an iterator, and the values of its kind: both differ between kernels.
fn iterator(btf: &Btf<'_>) -> Option<(Offsets, Iterators)> {
    let field = |name| btf.offset("iov_iter", name);
    // Up to 5.13 the direction is the lowest bit of `type`; the kinds are the others.
    let (iter_kind, kind_mask) =
        field("iter_type").map(|offset| (offset, 0xff)).or_else(|| Some((field("type")?, 0xfe)))?;
    let iter_pointer = field("__iov").or_else(|| field("iov"))?;
    // A union of both; where it is not, buffers would be taken for something else.
    let buffer = field("ubuf").is_some_and(|offset| offset == iter_pointer);
    let offsets = Offsets {
        kiocb_file: btf.offset("kiocb", "ki_filp")?,
        iter_kind,
        iter_offset: field("iov_offset")?,
        iter_count: field("count")?,
        iter_segments: field("nr_segs")?,
        iter_pointer,
        ..Offsets::default()
    };
    let iterators = Iterators {
        kind_mask,
        vector: btf.enumerator("ITER_IOVEC")?,
        buffer: btf.enumerator("ITER_UBUF").filter(|_| buffer),
    };
    Some((offsets, iterators))
}
