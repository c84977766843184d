//! Writing beside others that wait.

use std::fs;
use std::io;
use std::thread;

use rustix::io::{Errno, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::stdio::stdout;

use super::process;
use super::ways::write_lines;

/// `count` lines, while each of `workers` processes waits for room in a full pipe of its own.
pub(crate) fn beside(workers: u64, count: u64) -> io::Result<()> {
    let (told, tell) = rustix::pipe::pipe()?;
    let mut children = Vec::new();
    for _ in 0..workers {
        let (_reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
        process::fork(|| {
            while write(&writer, &[0; 4096]) != Err(Errno::AGAIN) {}
            write(&tell, &getpid().as_raw_nonzero().get().to_ne_bytes())?;
            rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty())?;
            write(&writer, b"x")?;
            Ok(())
        })?;
        let mut pid = [0; 4];
        rustix::io::read(&told, &mut pid)?;
        let pid = Pid::from_raw(i32::from_ne_bytes(pid)).ok_or(io::ErrorKind::NotFound)?;
        while !is_waiting(pid)? {
            thread::yield_now();
        }
        children.push(pid);
    }
    write_lines(stdout(), 1, count)?;
    for child in children {
        kill_process(child, Signal::KILL)?;
        rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())?;
    }
    Ok(())
}

/// Whether the process's first thread sleeps.
pub(super) fn is_waiting(pid: Pid) -> io::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
}
