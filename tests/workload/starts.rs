//! Processes that come to be in other ways than by `fork`, and in other surroundings.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::stdio::{stderr, stdout};

use super::process;
use super::ways::{write_lines, write_once};

/// This program with another command.
fn program(command: &str, count: u64) -> io::Result<Command> {
    // What came before this command is how the program is told that it is the workload.
    let before = env::args().skip(1).take_while(|argument| argument != "started");
    let mut program = Command::new(env::current_exe()?);
    program.args(before).args(["by", command]).arg(count.to_string());
    Ok(program)
}

/// `count` lines of a process that was started by `way`.
pub(crate) fn started(way: &str, count: u64) -> io::Result<()> {
    match way {
        "vfork" => {
            // Where nothing has to be done in between, the C library makes the child by `vfork` and `exec`.
            let status = program("write", count)?.status()?;
            if status.success() { Ok(()) } else { Err(io::Error::other("the child failed")) }
        }
        "exec" => Err(program("write", count)?.exec()),
        "clone3" => {
            /// `struct clone_args`, `include/uapi/linux/sched.h`, of which only the signal at the end is not zero.
            const EXIT_SIGNAL: usize = 4;
            let mut arguments = [0_u64; 8];
            arguments[EXIT_SIGNAL] = libc::SIGCHLD as u64;
            // SAFETY: as `fork`, in a program with one thread.
            let child = super::call(unsafe {
                libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments))
            })?;
            if child == 0 {
                std::process::exit(i32::from(write_lines(stdout(), 1, count).is_err()));
            }
            process::wait_for_all()
        }
        _ => Err(io::Error::other(format!("no such way: {way}"))),
    }
}

/// `count` lines in namespaces of its own, and as many back in those that it left.
pub(crate) fn unshared(count: u64) -> io::Result<()> {
    let flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    let old = ["mnt", "uts", "ipc", "net", "cgroup"]
        .map(|kind| File::open(format!("/proc/self/ns/{kind}")));
    unshare(flags)?;
    write_lines(stdout(), 1, count)?;
    for space in old {
        // SAFETY: the descriptor is open.
        super::call(unsafe { libc::setns(space?.as_raw_fd(), 0) }.into())?;
    }
    write_lines(stdout(), 2, count)
}

fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: it changes no memory and no descriptors.
    super::call(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// `count` lines of the first process of a pid namespace; what it is outside goes to stderr.
pub(crate) fn first_of_a_pid_namespace(count: u64) -> io::Result<()> {
    unshare(libc::CLONE_NEWPID)?;
    let child = process::fork(|| write_lines(stdout(), 1, count))?;
    write_once(stderr(), child.to_string().as_bytes())?;
    process::wait_for_all()
}

/// `count` lines, then as many after this process moved into the cgroup at `path`.
pub(crate) fn moving(path: &str, count: u64) -> io::Result<()> {
    write_lines(stdout(), 1, count)?;
    fs::write(Path::new(path).join("cgroup.procs"), "0")?;
    write_lines(stdout(), 2, count)
}
