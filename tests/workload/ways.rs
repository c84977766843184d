//! One function for each command. All write by the bare system call: `std`'s stdout would buffer.

use std::fs::OpenOptions;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, write, writev};
use rustix::process::{getpid, getppid, getuid, setsid};
use rustix::stdio::{stderr, stdout};

use super::descriptors::close_stdout;
use super::{body, process, scm_rights};

/// Size of a block-buffered stdout, as C libraries have it for pipes.
const BLOCK: usize = 4096;
/// The most segments that one `writev` may have.
const MAX_SEGMENTS: usize = 1024;

/// The whole of `bytes` in one write.
pub(crate) fn write_once(fd: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let written = write(fd, bytes)?;
    if written == bytes.len() { Ok(()) } else { Err(io::Error::other("short write")) }
}

/// `count` lines, one write each.
pub(crate) fn write_lines(fd: impl AsFd, seed: u64, count: u64) -> io::Result<()> {
    (1..=count).try_for_each(|number| write_once(&fd, &line(seed, number)))
}

fn line(seed: u64, number: u64) -> Vec<u8> {
    let mut line = body::line(seed, number);
    line.push(b'\n');
    line
}

pub(crate) fn lines(count: u64, seed: u64) -> io::Result<()> {
    (1..=count).try_for_each(|number| {
        let fd = if number % 2 == 1 { stdout() } else { stderr() };
        write_once(fd, &line(seed, number))
    })
}

pub(crate) fn paced(count: u64, millis: u64) -> io::Result<()> {
    (1..=count).try_for_each(|number| {
        thread::sleep(Duration::from_millis(millis));
        write_once(stdout(), &line(1, number))
    })
}

pub(crate) fn once(text: &str, end: &str) -> io::Result<()> {
    write_once(stdout(), format!("{text}{end}").as_bytes())
}

pub(crate) fn idle(text: &str) -> io::Result<()> {
    once(text, "")?;
    loop {
        thread::park();
    }
}

pub(crate) fn forked(count: u64) -> io::Result<()> {
    process::fork(|| write_lines(stdout(), 2, count))?;
    write_lines(stdout(), 1, count)?;
    process::wait_for_all()
}

pub(crate) fn daemonised(count: u64) -> io::Result<()> {
    process::fork(|| {
        let between = getpid();
        setsid()?;
        process::fork(|| {
            while getppid() == Some(between) {
                thread::sleep(Duration::from_millis(1));
            }
            write_lines(stdout(), 1, count)
        })
        .map(drop)
    })?;
    process::wait_for_all()
}

pub(crate) fn duplicated(count: u64) -> io::Result<()> {
    let seven = rustix::io::fcntl_dupfd_cloexec(stdout(), 7)?;
    close_stdout()?;
    write_lines(seven, 1, count)
}

pub(crate) fn passed(count: u64) -> io::Result<()> {
    let (here, there) = UnixStream::pair()?;
    process::fork(|| {
        close_stdout()?;
        write_lines(scm_rights::receive(&there)?, 1, count)
    })?;
    scm_rights::send(&here, stdout())?;
    process::wait_for_all()
}

pub(crate) fn reopened(path: &str, count: u64) -> io::Result<()> {
    write_lines(OpenOptions::new().write(true).open(path)?, 1, count)
}

/// Makes a file stdout for what comes next.
pub(crate) fn into(path: &str, appends: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(!appends).append(appends);
    Ok(rustix::stdio::dup2_stdout(options.open(path)?)?)
}

pub(crate) fn gathered(count: u64) -> io::Result<()> {
    for number in 1..=count {
        write_segments(&line(1, number).chunks(1).map(IoSlice::new).collect::<Vec<_>>())?;
    }
    let lines: Vec<_> = (1..=MAX_SEGMENTS as u64).map(|number| line(2, number)).collect();
    write_segments(&lines.iter().map(|line| IoSlice::new(line)).collect::<Vec<_>>())
}

fn write_segments(segments: &[IoSlice<'_>]) -> io::Result<()> {
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    let written = writev(stdout(), segments)?;
    if written == length { Ok(()) } else { Err(io::Error::other("short writev")) }
}

pub(crate) fn vast(bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize * MAX_SEGMENTS);
    write_segments(&text.chunks(bytes as usize).map(IoSlice::new).collect::<Vec<_>>())
}

pub(crate) fn big(mebibytes: u64) -> io::Result<()> {
    let text = body::text(1, (mebibytes << 20) as usize);
    text.chunks(1 << 20).try_for_each(|block| write_once(stdout(), block))
}

pub(crate) fn nonblocking(bytes: u64) -> io::Result<()> {
    fcntl_setfl(stdout(), fcntl_getfl(stdout())? | OFlags::NONBLOCK)?;
    let text = body::text(1, bytes as usize);
    let mut rest = &text[..];
    while !rest.is_empty() {
        match write(stdout(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(crate) fn binary() -> io::Result<()> {
    write_once(stdout(), &body::binary())
}

pub(crate) fn threads(threads: u64, count: u64) -> io::Result<()> {
    thread::scope(|scope| {
        let writers: Vec<_> = (1..=threads)
            .map(|seed| scope.spawn(move || write_lines(stdout(), seed, count)))
            .collect();
        writers.into_iter().try_for_each(|writer| {
            writer.join().map_err(|_panic| io::Error::other("a writer panicked"))?
        })
    })
}

pub(crate) fn workers(workers: u64, count: u64) -> io::Result<()> {
    for seed in 1..=workers {
        process::fork(|| {
            let text = body::lines(seed, count);
            text.chunks(BLOCK).try_for_each(|block| write_once(stdout(), block))
        })?;
    }
    process::wait_for_all()
}

pub(crate) fn rivals(workers: u64, count: u64) -> io::Result<()> {
    process::stay_on_one_cpu()?;
    for seed in 1..=workers {
        process::fork(|| write_lines(stdout(), seed, count))?;
    }
    process::wait_for_all()
}

pub(crate) fn odd(count: u64, seed: u64) -> io::Result<()> {
    (1..=count).try_for_each(|number| {
        let mut line = body::odd(seed, number);
        if number < count {
            line.push(b'\n');
        }
        // An empty last line is none.
        if line.is_empty() { Ok(()) } else { write_whole(&line) }
    })
}

/// A pipe takes a long line in pieces when a signal comes.
fn write_whole(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[write(stdout(), bytes)?..];
    }
    Ok(())
}

pub(crate) fn flood(bytes: u64) -> io::Result<()> {
    (1..=bytes / 100).try_for_each(|number| {
        let mut line = body::flood_line(number);
        line.push(b'\n');
        write_once(stdout(), &line)
    })
}

pub(crate) fn identify() -> io::Result<()> {
    let identify = || {
        let (pid, tid) = (getpid().as_raw_pid(), gettid());
        let comm = std::fs::read_to_string(format!("/proc/self/task/{tid}/comm"))?;
        once(&format!("{pid} {tid} {} {}", getuid().as_raw(), comm.trim_end()), "\n")
    };
    identify()?;
    thread::scope(|scope| {
        let second = thread::Builder::new().name("second".into()).spawn_scoped(scope, identify)?;
        second.join().map_err(|_panic| io::Error::other("the second thread panicked"))?
    })
}

/// The calling thread's id: `/proc/thread-self` is a link to `<pid>/task/<tid>`.
fn gettid() -> i32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name().and_then(|tid| tid.to_str()?.parse().ok()).unwrap_or_default()
}
