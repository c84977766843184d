//! One line for each call, by whichever call that is.

use std::io::{self, IoSlice};

use rustix::io::{ReadWriteFlags, pwrite, pwritev, pwritev2, write, writev};
use rustix::stdio::stdout;

use super::aio::Aio;
use super::body;
use super::compat;
use super::moved::moved;
use super::ring::{Ring, Way};
use super::ways::write_once;

/// Writes a line at a position, which is of use to some calls only; gives the result.
type Call = Box<dyn FnMut(&[u8], u64) -> io::Result<usize>>;

/// `count` lines to stdout by `name`.
pub(crate) fn by(name: &str, count: u64) -> io::Result<()> {
    let (mut call, mut position) = (named(name)?, 0);
    for number in 1..=count {
        let line = [body::line(1, number), b"\n".to_vec()].concat();
        let written = call(&line, position)?;
        if written != line.len() {
            return Err(io::Error::other(format!("{name} wrote {written} of {}", line.len())));
        }
        position += line.len() as u64;
    }
    Ok(())
}

/// A line by a call that the kernel must refuse here; then another by `write`.
pub(crate) fn refused(name: &str) -> io::Result<()> {
    let done = match named(name) {
        Ok(mut call) => call(b"refused\n", 0).map(drop),
        Err(_) => moved(name, 8),
    };
    match done {
        Err(error) if error.raw_os_error().is_some() => write_once(stdout(), b"end\n"),
        Err(error) => Err(error),
        Ok(()) => Err(io::Error::other(format!("{name} was not refused"))),
    }
}

fn named(name: &str) -> io::Result<Call> {
    /// The current position: -1.
    const HERE: u64 = u64::MAX;
    let flags = ReadWriteFlags::empty();
    Ok(match name {
        "write" => Box::new(|line, _| Ok(write(stdout(), line)?)),
        "writev" => Box::new(|line, _| Ok(writev(stdout(), &halves(line))?)),
        "pwrite64" => Box::new(|line, position| Ok(pwrite(stdout(), line, position)?)),
        "pwritev" => Box::new(|line, position| Ok(pwritev(stdout(), &halves(line), position)?)),
        "pwritev2" => Box::new(move |line, _| Ok(pwritev2(stdout(), &halves(line), HERE, flags)?)),
        "compat_write" => Box::new(|line, _| compat::write(line)),
        "compat_writev" => Box::new(|line, _| compat::writev(line)),
        "aio_write" => {
            let aio = Aio::new()?;
            Box::new(move |line, position| aio.write(line, position))
        }
        "aio_writev" => {
            let aio = Aio::new()?;
            Box::new(move |line, position| aio.write_vectored(&halves(line), position))
        }
        "io_uring_write" => queued(Way::Buffer)?,
        "io_uring_writev" => queued(Way::Vector)?,
        "io_uring_fixed" => queued(Way::Registered)?,
        "io_uring_async" => queued(Way::Worker)?,
        "io_uring_sqpoll" => queued(Way::Poller)?,
        _ => return Err(io::Error::other(format!("no such call: {name}"))),
    })
}

fn queued(way: Way) -> io::Result<Call> {
    let mut ring = Ring::new(way)?;
    Ok(Box::new(move |line, _| ring.write(line)))
}

fn halves(line: &[u8]) -> [IoSlice<'_>; 2] {
    let (first, second) = line.split_at(line.len() / 2);
    [IoSlice::new(first), IoSlice::new(second)]
}
