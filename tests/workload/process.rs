//! Forking, without an `exec` in between: the child is this program, as daemons and preforking servers are.

use std::io;

/// Runs `child` in a forked process, which then ends.
pub(crate) fn fork(child: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: this program has one thread whenever it forks (`threads` never does), so that the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => std::process::exit(i32::from(child().is_err())),
        _ => Ok(()),
    }
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
