//! Each call that writes from a buffer is captured to the byte, in order.

use std::fs::File;
use std::io::{Error, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::thread;

use anyhow::{Result, ensure};

use crate::container::Container;
use crate::observer::same;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// Runs the workload, whose stdout has to be `text`, in `writes` calls.
fn captures(stage: &mut Stage, command: &[&str], text: &[u8], writes: u64) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(command)?;
    let seen = observer.collect(&container)?;
    same(&output.stdout, text)?;
    seen.exactly(0, text, writes)
}

/// To both streams, by turns.
pub(crate) fn write(stage: &mut Stage) -> Result<Outcome> {
    const LINES: u64 = 2000;
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["lines", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let streams = [output.stdout, output.stderr];
    let mut outcome = Outcome::Passed(String::new());
    for (stream, first) in [1, 2].into_iter().enumerate() {
        let lines = (first..=LINES).step_by(2).map(|number| body::line(1, number));
        let text: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
        same(&streams[stream], &text)?;
        outcome = outcome.and(seen.exactly(stream, &text, LINES / 2)?);
    }
    Ok(outcome)
}

/// One segment for each byte; then as many segments as a call may have.
pub(crate) fn writev(stage: &mut Stage) -> Result<Outcome> {
    let text = [body::lines(1, 50), body::lines(2, 1024)].concat();
    captures(stage, &["writev", "50"], &text, 51)
}

pub(crate) fn pwritev2(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, &["pwritev2", "200"], &body::lines(1, 200), 200)
}

/// More than the pipe holds, and 64 records.
pub(crate) fn a_mebibyte_at_once(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, &["big", "1"], &body::text(1, 1 << 20), 1)
}

/// A pipe that is full takes a part of a write, or nothing.
pub(crate) fn short_writes(stage: &mut Stage) -> Result<Outcome> {
    const BYTES: usize = 300_000;
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["nonblocking", &BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::text(1, BYTES);
    same(&output.stdout, &text)?;
    let counters = &seen.counters[0];
    let writes = counters.written_writes;
    ensure!(writes > 1, "no write was cut short: the test proves nothing");
    // How many there were depends on the reader. If bytes are missing, so is one write at least.
    let missed = u64::from(counters.written_bytes < BYTES as u64);
    seen.exactly(0, &text, writes + missed)
}

pub(crate) fn any_bytes(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, &["binary"], &body::binary(), 1)
}

/// What a terminal shows has carriage returns; what was written has none.
pub(crate) fn terminal(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let mut terminal = File::options().read(true).write(true).open("/dev/ptmx")?;
    let unlock = 0_i32;
    // SAFETY: the descriptor is open; the calls read one `int`, and make a descriptor that is owned from there on.
    let slave = unsafe {
        if libc::ioctl(terminal.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) != 0 {
            return Err(Error::last_os_error().into());
        }
        let slave = libc::ioctl(
            terminal.as_raw_fd(),
            libc::TIOCGPTPEER,
            libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
        );
        if slave < 0 {
            return Err(Error::last_os_error().into());
        }
        File::from_raw_fd(slave)
    };
    let container = Container::new()?;
    let streams = [slave.try_clone()?.into(), slave.into()];
    let mut child = container.start(&["lines", "200"], streams)?;
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        // It ends by an error, once the other side is closed everywhere.
        let _closed = terminal.read_to_end(&mut shown);
        shown
    });
    ensure!(child.wait()?.success(), "the container's program failed");
    let shown = reader.join().map_err(|_panic| anyhow::anyhow!("the reader panicked"))?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, 200);
    let as_shown = String::from_utf8_lossy(&text).replace('\n', "\r\n");
    same(&shown, as_shown.as_bytes())?;
    // Both streams are one object: stdout.
    seen.exactly(0, &text, 200)
}
