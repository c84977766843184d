//! Containers come and go with their cgroups; their stdio is learned at the first exec.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_get_current_cgroup_id;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use aya_ebpf::programs::BtfTracePointContext;
use aya_log_ebpf::warn;
use collector_ebpf::{CONTAINER_ID_BYTES, Container, FileId, Kind, MAX_NESTED, NodeCounter, State};

use super::account;
use super::copy::Slot;
use super::daemon;
use super::file::File;
use super::kernel::{offsets, read};
use super::maps::{BLANK, CGROUPS, CONTAINERS};
use super::ring;
use super::session;

/// The longest name of a container's cgroup, with its NUL: `cri-containerd-`, the id, `.scope`.
const NAME_BYTES: usize = 96;
const SCOPE_BYTES: usize = ".scope".len();

/// A cgroup was made: below a container it belongs to it, with a container's name it is a new one.
#[inline(always)]
pub(super) fn made(ctx: &BtfTracePointContext, cgroup: *const u8, slot: Slot) {
    let Some(node) = default_hierarchy_node(cgroup as u64) else { return };
    let Some(id) = node_id(node) else { return };
    if CGROUPS.get_ptr(id).is_some() {
        return;
    }
    let parent = read::<u64>(node, offsets().get(|o| &o.kernfs_parent)).and_then(node_id);
    // SAFETY: the value is copied at once.
    if let Some(&root) = parent.and_then(|parent| unsafe { CGROUPS.get(parent) }) {
        if !may_nest(root) || CGROUPS.insert(id, root, 0).is_err() {
            full(ctx);
        }
        return;
    }
    let Some(blank) = BLANK.get_ptr_mut(slot as u32) else { return };
    // SAFETY: the value is this CPU's own, and no other program's there.
    let container = unsafe { &mut *blank };
    if !read_container_id(node, &mut container.id) {
        return;
    }
    *container = Container::new(container.id);
    let container: &Container = container;
    if CONTAINERS.insert(id, container, u64::from(BPF_NOEXIST)).is_err()
        || CGROUPS.insert(id, id, 0).is_err()
    {
        full(ctx);
        return;
    }
    ring::announce(Kind::Created, ring::WAKE, |header| header.cgroup_id = id);
}

/// Takes a place for one more cgroup of the container, if there is one.
#[inline(always)]
fn may_nest(root: u64) -> bool {
    let Some(container) = CONTAINERS.get_ptr_mut(root) else { return false };
    // SAFETY: user space removes the entry only when nothing runs in the cgroup. A lost race moves the bound by one.
    let nested = unsafe { &mut (*container).nested };
    if *nested >= MAX_NESTED {
        return false;
    }
    *nested += 1;
    true
}

#[inline(always)]
fn full(ctx: &BtfTracePointContext) {
    account::node(NodeCounter::WatchFull);
    warn!(ctx, "a container is not captured: the map of watched cgroups is full");
}

/// A cgroup was removed. Nothing runs in it, so no record of it can follow.
#[inline(always)]
pub(super) fn removed(cgroup: *const u8) {
    let Some(id) = default_hierarchy_node(cgroup as u64).and_then(node_id) else { return };
    // SAFETY: the value is copied at once.
    let Some(&root) = (unsafe { CGROUPS.get(id) }) else { return };
    let _absent = CGROUPS.remove(id);
    if let Some(container) = CONTAINERS.get_ptr_mut(root) {
        // SAFETY: user space removes the entry only after it read the state `Gone`.
        let container = unsafe { &mut *container };
        if root == id {
            container.state = State::Gone as u32;
        } else if container.nested > 0 {
            container.nested -= 1;
        }
    }
    if root != id {
        return;
    }
    ring::announce(Kind::Gone, ring::WAKE, |header| header.cgroup_id = id);
}

/// A program was executed. The first in a container's cgroup is its entry point, whose fds 1 and 2 are what the runtime
/// gave it: runc's init joins the cgroup before it executes the entry point (seen with runc 1.1.5, with and without a
/// terminal).
#[inline(always)]
pub(super) fn executed() {
    // SAFETY: the helper has no preconditions.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    // SAFETY: the value is copied at once.
    let Some(&root) = (unsafe { CGROUPS.get(cgroup) }) else { return };
    let Some(container) = CONTAINERS.get_ptr_mut(root) else { return };
    // SAFETY: user space removes the entry only when nothing runs in the cgroup.
    let container = unsafe { &mut *container };
    if container.state != State::Pending as u32 {
        if daemon::is_on() {
            session::executed(root);
        }
        return;
    }
    container.stdout = stream_of(1);
    container.stderr = stream_of(2);
    container.state = State::Watched as u32;
}

#[inline(always)]
fn stream_of(fd: u64) -> FileId {
    const NONE: FileId = FileId { inode: 0, device: 0, reserved: 0 };
    match File::of_current(fd) {
        Some(file) if file.is_stream() => file.id().unwrap_or(NONE),
        _ => NONE,
    }
}

/// The kernfs node of a cgroup of the default hierarchy. Others (v1) number their directories on their own, and the
/// tracepoints fire for them too.
#[inline(always)]
fn default_hierarchy_node(cgroup: u64) -> Option<u64> {
    let root: u64 = read(cgroup, offsets().get(|o| &o.cgroup_root))?;
    let hierarchy: i32 = read(root, offsets().get(|o| &o.root_hierarchy_id))?;
    if hierarchy != 0 {
        return None;
    }
    read(cgroup, offsets().get(|o| &o.cgroup_kn))
}

#[inline(always)]
fn node_id(node: u64) -> Option<u64> {
    read(node, offsets().get(|o| &o.kernfs_id))
}

/// Takes the container id out of the node's name: `<id>` or `<prefix>-<id>`, with or without `.scope`. The prefix is one
/// of the known runtimes', by its length: `crio`, `docker` and `libpod`, `cri-containerd`. (`crio-conmon-…` and
/// `libpod-conmon-…` have other lengths: they are the log copiers and must not be captured.)
#[inline(always)]
fn read_container_id(node: u64, id: &mut [u8; CONTAINER_ID_BYTES]) -> bool {
    let Some(name) = read::<u64>(node, offsets().get(|o| &o.kernfs_name)) else { return false };
    let mut text = [0_u8; NAME_BYTES];
    // SAFETY: the helper checks the address and writes at most `NAME_BYTES`.
    let length = unsafe {
        bpf_probe_read_kernel_str(text.as_mut_ptr().cast(), NAME_BYTES as u32, name as *const _)
    };
    // What is more than the id and the NUL.
    let prefix = match (length as usize).wrapping_sub(CONTAINER_ID_BYTES + 1) {
        prefix @ (0 | 5 | 7 | 15) => prefix,
        both @ (6 | 11 | 13 | 21) => both - SCOPE_BYTES,
        _ => return false,
    };
    let start = (name + prefix as u64) as *const _;
    // SAFETY: the helper checks the address; `id` has room for the digits.
    let read =
        unsafe { bpf_probe_read_kernel(id.as_mut_ptr().cast(), CONTAINER_ID_BYTES as u32, start) };
    read == 0 && id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
