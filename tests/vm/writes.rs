//! Large, short, failing and odd writes: what the kernel took is captured to the byte, in order, and nothing else.

use anyhow::{Result, ensure};

use crate::container::Container;
use crate::object::Object;
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

pub(crate) fn both_streams_by_turns(stage: &mut Stage) -> Result<Outcome> {
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
pub(crate) fn many_segments(stage: &mut Stage) -> Result<Outcome> {
    let text = [body::lines(1, 50), body::lines(2, 1024)].concat();
    captures(stage, &["writev", "50"], &text, 51)
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

/// A pipe that keeps each write for itself.
pub(crate) fn packets(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let shown = Object::Packets.run(&container, &["by", "write", "100"])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, 100);
    same(&shown, &text)?;
    seen.exactly(0, &text, 100)
}

/// Runs the workload, whose stdout is read only when it says so, and has to be `text`, in `writes` calls.
fn captures_unread(
    stage: &mut Stage,
    command: &[&str],
    text: &[u8],
    writes: u64,
) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run_until_told(command)?;
    let seen = observer.collect(&container)?;
    same(&output.stdout, text)?;
    seen.exactly(0, text, writes)
}

/// A signal ends one write in the middle, and another before it wrote anything.
pub(crate) fn interrupted_by_a_signal(stage: &mut Stage) -> Result<Outcome> {
    captures_unread(stage, &["interrupted", "100000"], &body::text(1, 100_000), 2)
}

/// What fits into a pipe, and then nothing, eleven times.
pub(crate) fn refused_by_a_full_pipe(stage: &mut Stage) -> Result<Outcome> {
    const PAGES: u64 = 16;
    let text: Vec<u8> = (1..=PAGES).flat_map(|seed| body::text(seed, 4096)).collect();
    captures_unread(stage, &["filled"], &text, PAGES)
}

/// Memory that is not there, and no bytes at all, are no writes.
pub(crate) fn of_nothing(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, &["unreadable"], b"end\n", 1)
}

/// Pages that only the write itself brings into memory.
pub(crate) fn of_absent_pages(stage: &mut Stage) -> Result<Outcome> {
    const PAGES: usize = 3;
    let text = [body::text(1, PAGES * 4096).repeat(3), vec![0; 4096]].concat();
    captures(stage, &["absent", &PAGES.to_string()], &text, 4)
}
