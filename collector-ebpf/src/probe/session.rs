//! Which sessions in a container were opened from outside, as `docker exec` does: who opened one reads its terminal.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use super::kernel::{current_task, offsets, read};
use super::maps::{CGROUPS, SESSIONS};

/// `PIDTYPE_SID`, `include/linux/pid_types.h`
const SESSION: u32 = 3;

/// Size of `struct upid`: a number and its namespace.
const NUMBER_BYTES: u32 = 16;

/// A program was executed in the container. A runtime makes a session for the one that it puts into a container, and is its
/// parent, or its parent's heir; so it is with the container's first process, whose session is the container's own.
#[inline(always)]
pub(super) fn executed(root: u64) {
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(leader) = leader() else { return };
    if number(leader, 0) != Some(process) {
        return;
    }
    if is_first(leader) || root_of_parent() == Some(root) {
        // Of another process with this number, perhaps.
        let _absent = SESSIONS.remove(process);
    } else {
        let _full = SESSIONS.insert(process, root, 0);
    }
}

/// Whether the current task is in a session of the container that was opened from outside.
#[inline(always)]
pub(super) fn is_foreign(root: u64) -> bool {
    let session = leader().and_then(|leader| number(leader, 0));
    // SAFETY: the value is copied at once.
    session.is_some_and(|session| unsafe { SESSIONS.get(session) }.copied() == Some(root))
}

/// The `struct pid` of the current session.
#[inline(always)]
fn leader() -> Option<u64> {
    let signal: u64 = read(task(), offsets().get(|o| &o.task_signal))?;
    read(signal, offsets().get(|o| &o.signal_pids) + SESSION * 8)
}

/// Its number in a pid namespace: 0 is the initial one.
#[inline(always)]
fn number(pid: u64, level: u32) -> Option<u32> {
    read(pid, offsets().get(|o| &o.pid_numbers) + level * NUMBER_BYTES)
}

/// Whether it is the first process of its pid namespace.
#[inline(always)]
fn is_first(pid: u64) -> bool {
    let level = read::<u32>(pid, offsets().get(|o| &o.pid_level));
    level.and_then(|level| number(pid, level)) == Some(1)
}

/// The topmost cgroup of the container that the current task's parent is in, if it is in one.
#[inline(always)]
fn root_of_parent() -> Option<u64> {
    let parent: u64 = read(task(), offsets().get(|o| &o.task_parent))?;
    let set: u64 = read(parent, offsets().get(|o| &o.task_cgroups))?;
    let cgroup: u64 = read(set, offsets().get(|o| &o.css_set_cgroup))?;
    let node: u64 = read(cgroup, offsets().get(|o| &o.cgroup_kn))?;
    let id: u64 = read(node, offsets().get(|o| &o.kernfs_id))?;
    // SAFETY: the value is copied at once.
    unsafe { CGROUPS.get(id) }.copied()
}

#[inline(always)]
fn task() -> u64 {
    current_task::<false>() as u64
}
