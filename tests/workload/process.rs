//! Forking, without an `exec` in between: the child is this program, as daemons and preforking servers are.

use std::io;

/// Runs `child` in a forked process, which then ends; its pid.
pub(crate) fn fork(child: impl FnOnce() -> io::Result<()>) -> io::Result<i32> {
    // SAFETY: this program has one thread whenever it forks (`threads` never does), so that the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => std::process::exit(i32::from(child().is_err())),
        pid => Ok(pid),
    }
}

/// Binds this process, and those that it forks, to the CPU that it is on.
pub(crate) fn stay_on_one_cpu() -> io::Result<()> {
    // SAFETY: all zeroes is an empty set; the functions write to it and read it, within its size.
    let bound = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for every child, and as PID 1 for every orphan of the container.
pub(crate) fn wait_for_all() -> io::Result<()> {
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some((_, status))) if status.exit_status() != Some(0) => {
                return Err(io::Error::other("a child failed"));
            }
            Err(rustix::io::Errno::CHILD) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
