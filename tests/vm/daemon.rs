//! Class `daemon`: what a container's processes put out where nobody reads it.

use anyhow::{Result, ensure};
use collector::capture::{Allowance, Backend, Settings};
use collector::record::Stream;
use collector_ebpf::LossReason;

use crate::container::Container;
use crate::observer::{Observer, Seen, same};
use crate::probe;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

const LINES: u64 = 100;
const DAEMON: usize = Stream::Daemon.index();

/// A probe that captures the class, in any amount.
fn observer(stage: &mut Stage) -> Result<&mut Observer> {
    let daemon = Some(Allowance { bytes_per_second: 1 << 30, burst_bytes: 1 << 30 });
    stage.observer_told(Settings { daemon, ..stage.settings() })
}

/// What is seen of a container that runs this, and puts out nothing by the streams that it was given.
fn seen(observer: &mut Observer, command: &[&str]) -> Result<Seen> {
    let container = Container::new()?;
    let output = container.run(command)?;
    ensure!(output.stdout.is_empty(), "{} bytes on its stdout", output.stdout.len());
    let seen = observer.collect(&container)?;
    for stream in Stream::LOGGED {
        let counters = &seen.counters[stream.index()];
        ensure!(counters.written_writes == 0, "{stream:?}: {counters:?}");
    }
    Ok(seen)
}

pub(crate) fn is_not_captured_unasked(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    for command in [&["nowhere", "null", "lines", "9"][..], &["unread", "9"], &["killed"]] {
        let container = Container::new()?;
        container.run(command)?;
        let seen = observer.collect(&container)?;
        let counters = &seen.counters[DAEMON];
        ensure!(counters.written_writes == 0, "{command:?}: {counters:?}");
        ensure!(seen.bytes[DAEMON].is_empty(), "{command:?} is captured");
    }
    Ok(Outcome::Passed(String::new()))
}

/// By `write`, and by `writev` with any number of segments.
pub(crate) fn dev_null(stage: &mut Stage) -> Result<Outcome> {
    let observer = observer(stage)?;
    let writes = seen(observer, &["nowhere", "null", "big", "1"])?;
    let outcome = writes.exactly(DAEMON, &body::text(1, 1 << 20), 1)?;
    let vectors = seen(observer, &["nowhere", "null", "writev", "50"])?;
    let text = [body::lines(1, 50), body::lines(2, 1024)].concat();
    Ok(outcome.and(vectors.exactly(DAEMON, &text, 51)?))
}

/// What counts is what the caller asked for: nothing was written.
pub(crate) fn pipe_without_a_reader(stage: &mut Stage) -> Result<Outcome> {
    let seen = seen(observer(stage)?, &["unread", &LINES.to_string()])?;
    seen.exactly(DAEMON, &body::lines(1, LINES), LINES)
}

/// The writer never learns that it was refused.
pub(crate) fn pipe_that_kills(stage: &mut Stage) -> Result<Outcome> {
    let seen = seen(observer(stage)?, &["killed"])?;
    seen.exactly(DAEMON, &body::lines(1, 1), 1)
}

pub(crate) fn terminal_of_its_own(stage: &mut Stage) -> Result<Outcome> {
    let command = ["nowhere", "terminal", "dup7", &LINES.to_string()];
    let observer = observer(stage)?;
    let duplicated = seen(observer, &command)?;
    let counters = &duplicated.counters[DAEMON];
    ensure!(counters.written_writes == 0, "by another descriptor: {counters:?}");
    let seen = seen(observer, &["nowhere", "terminal", "threads", "2", &LINES.to_string()])?;
    if let Some(gap) = seen.gap(DAEMON, 2 * LINES)? {
        return Ok(gap);
    }
    let text: Vec<u8> = (1..=2).flat_map(|seed| body::lines(seed, LINES)).collect();
    same(&sorted(&seen.bytes[DAEMON]), &sorted(&text))?;
    ensure!(seen.counters[DAEMON].lost_total_bytes == 0, "{:?}", seen.counters[DAEMON]);
    Ok(Outcome::Passed(format!("{} bytes in {} writes", text.len(), 2 * LINES)))
}

fn sorted(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

pub(crate) fn queued_to_dev_null(stage: &mut Stage) -> Result<Outcome> {
    let observer = observer(stage)?;
    let is_blind = observer.backend() == Backend::Syscall;
    let mut outcome = Outcome::Passed(String::new());
    for queue in ["aio_write", "io_uring_write"] {
        let seen = seen(observer, &["nowhere", "null", "by", queue, &LINES.to_string()])?;
        if is_blind {
            let counters = &seen.counters[DAEMON];
            ensure!(counters.written_writes == 0, "seen after all: {counters:?}");
            return Ok(Outcome::Gap("the backend `syscall` does not see it".into()));
        }
        outcome = outcome.and(seen.exactly(DAEMON, &body::lines(1, LINES), LINES)?);
    }
    Ok(outcome)
}

/// The device does not look at what it is given: so it may be in memory for nobody.
pub(crate) fn a_page_that_is_not_there(stage: &mut Stage) -> Result<Outcome> {
    const BYTES: u64 = 4096;
    let seen = seen(observer(stage)?, &["nowhere", "null", "untouched", &BYTES.to_string()])?;
    if let Some(gap) = seen.gap(DAEMON, 2)? {
        return Ok(gap);
    }
    let text = body::lines(1, 1);
    same(&seen.bytes[DAEMON], &text)?;
    let counters = &seen.counters[DAEMON];
    let fault = counters.lost_bytes[LossReason::Fault as usize];
    let counted = [counters.written_bytes, fault, counters.lost_total_bytes];
    let expected = [BYTES + text.len() as u64, BYTES, BYTES];
    ensure!(counted == expected, "written, fault, lost: {counted:?}, expected {expected:?}");
    Ok(Outcome::Counted(format!("{BYTES} bytes")))
}

pub(crate) fn elsewhere_is_not_captured(stage: &mut Stage) -> Result<Outcome> {
    let seen = seen(observer(stage)?, &["elsewhere", &LINES.to_string()])?;
    let counters = &seen.counters[DAEMON];
    ensure!(counters.written_writes == 0, "{counters:?}");
    Ok(Outcome::Passed(String::new()))
}

pub(crate) fn has_its_price(stage: &mut Stage) -> Result<Outcome> {
    observer(stage)?;
    probe::within_budget(Some("daemon"))
}

/// It pays from a bucket of its own, and the container's stdout does not suffer.
pub(crate) fn a_flood_is_limited(stage: &mut Stage) -> Result<Outcome> {
    const BYTES: u64 = 400_000;
    let daemon = Some(Allowance { bytes_per_second: 1024, burst_bytes: 0 });
    let observer = stage.observer_told(Settings { daemon, ..stage.settings() })?;
    let container = Container::new()?;
    let output = container.run(&["beside-flood", &BYTES.to_string(), &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, LINES);
    same(&output.stdout, &text)?;
    let outcome = seen.exactly(0, &text, LINES)?;
    if let Some(gap) = seen.gap(DAEMON, BYTES / 100)? {
        return Ok(gap);
    }
    let counters = &seen.counters[DAEMON];
    let limited = counters.lost_bytes[LossReason::RateLimited as usize];
    let counted = [counters.written_bytes, counters.captured_bytes + limited];
    ensure!(counted == [BYTES; 2], "{counters:?}");
    let captured = [counters.captured_bytes, counters.captured_writes * 100];
    ensure!(captured == [seen.bytes[DAEMON].len() as u64; 2], "captured: {captured:?}");
    // A bucket holds a full record in any case, and gains little while the test runs.
    ensure!(counters.captured_bytes > 0 && limited > BYTES / 2, "{counters:?}");
    Ok(outcome.and(Outcome::Passed(format!("{BYTES} written, {limited} limited"))))
}
