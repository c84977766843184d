//! Is a write one to a watched container's stream?

use aya_ebpf::helpers::bpf_get_current_cgroup_id;
use collector_ebpf::{Container, FileId, StreamTag};

use super::daemon::{self, Nowhere};
use super::file::File;
use super::maps::{CGROUPS, CONTAINERS};

/// The most that one call writes: `MAX_RW_COUNT`, `include/linux/fs.h`. A larger result was put in by a tracer or by a
/// seccomp supervisor, which a container may be to itself, and would spoil the sums.
pub(super) const MAX_WRITE_BYTES: i64 = 0x7fff_f000;

/// Whether a call with this result wrote something.
#[inline(always)]
pub(super) fn has_written(result: i64) -> bool {
    result > 0 && result <= MAX_WRITE_BYTES
}

/// The id of the topmost cgroup of the current task's container, if that is watched: the cheapest question.
#[inline(always)]
pub(super) fn root_of_current() -> Option<u64> {
    // SAFETY: the helper has no preconditions.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    // SAFETY: the value is copied at once.
    unsafe { CGROUPS.get(cgroup) }.copied()
}

/// The container of that cgroup. User space removes the entry only when nothing runs in the cgroup: so the pointer stays
/// good for what the current task does.
#[inline(always)]
pub(super) fn container(root: u64) -> Option<*mut Container> {
    CONTAINERS.get_ptr_mut(root)
}

/// Which stream of the container the object is. Stdout first: a terminal is both, and is stdout.
#[inline(always)]
pub(super) fn tag(container: &Container, id: &FileId) -> Option<StreamTag> {
    let is = |stream: &FileId| stream.inode == id.inode && stream.device == id.device;
    if is(&container.stdout) {
        Some(StreamTag::Stdout)
    } else if is(&container.stderr) {
        Some(StreamTag::Stderr)
    } else {
        None
    }
}

/// The stream of a raw value that a program of this probe has kept.
#[inline(always)]
pub(super) fn tag_of(raw: u32) -> StreamTag {
    if daemon::is_on() && raw == StreamTag::Daemon as u32 {
        StreamTag::Daemon
    } else if raw == StreamTag::Stdout as u32 {
        StreamTag::Stdout
    } else {
        StreamTag::Stderr
    }
}

/// A stream of the current task's container.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Stream {
    /// Topmost cgroup of the container.
    pub root: u64,
    /// The stream's object.
    pub id: FileId,
    /// Which one: a [`StreamTag`].
    pub tag: u32,
    /// Not 0: only a write that is refused is one to it.
    pub is_refusing: u32,
}

impl Stream {
    /// Which one it is.
    #[inline(always)]
    pub(super) fn tag(&self) -> StreamTag {
        tag_of(self.tag)
    }

    /// Whether a call with this result was a write to it.
    #[inline(always)]
    pub(super) fn has_written(&self, result: i64) -> bool {
        if self.is_refusing != 0 { daemon::is_refused(result) } else { has_written(result) }
    }

    /// The stream that `file` is, or may be if it refuses what is written, and its container.
    #[inline(always)]
    pub(super) fn of_current(root: u64, file: File) -> Option<(Self, *mut Container)> {
        let container = container(root)?;
        let id = file.id()?;
        // SAFETY: see `container`.
        let known = unsafe { &*container };
        if let Some(tag) = tag(known, &id) {
            return Some((Self { root, id, tag: tag as u32, is_refusing: 0 }, container));
        }
        let nowhere = daemon::nowhere(root, known, file);
        if nowhere == Nowhere::NO || !daemon::is_output(file) {
            return None;
        }
        let is_refusing = u32::from(nowhere == Nowhere::REFUSED);
        Some((Self { root, id, tag: StreamTag::Daemon as u32, is_refusing }, container))
    }
}
