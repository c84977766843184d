//! The kernel struct fields that the probe reads, resolved for the running kernel.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use collector_ebpf::Offsets;

use super::btf::{Btf, BtfError};

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
}

/// Finds every field that the probe reads, or names all that are missing.
pub(super) fn resolve(path: &Path) -> Result<Kernel, OffsetsError> {
    let data =
        fs::read(path).map_err(|source| OffsetsError::Read { path: path.to_owned(), source })?;
    let btf = Btf::parse(&data)
        .map_err(|source| OffsetsError::Parse { path: path.to_owned(), source })?;
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
        cgroup_kn: find("cgroup", &["kn"]),
        cgroup_root: find("cgroup", &["root"]),
        root_hierarchy_id: find("cgroup_root", &["hierarchy_id"]),
        kernfs_id: find("kernfs_node", &["id"]),
        kernfs_name: find("kernfs_node", &["name"]),
        kernfs_parent: find("kernfs_node", &["__parent", "parent"]),
    };
    if !fields.is_empty() {
        return Err(OffsetsError::Missing { fields });
    }
    Ok(Kernel { offsets, has_typed_task: btf.has_enumerator("BPF_FUNC_get_current_task_btf") })
}
