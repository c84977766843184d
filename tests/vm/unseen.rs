//! Calls without a buffer: there is nothing to copy, but the count is exact and told; what came from a file is read there.

use std::process::Stdio;

use anyhow::{Result, ensure};
use collector_ebpf::LossReason;

use crate::container::{Container, finish};
use crate::observer::{Seen, same};
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// At most what a pipe holds.
const BYTES: u64 = 10_000;

fn counts(stage: &mut Stage, call: &str) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["moved", call, &BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    same(&output.stdout, &body::text(1, BYTES as usize))?;
    counted(&seen)
}

fn counted(seen: &Seen) -> Result<Outcome> {
    let counters = &seen.counters[0];
    // Of some kernels the function that writes is called for each page.
    let writes = counters.written_writes.max(1);
    if let Some(gap) = seen.gap(0, writes)? {
        return Ok(gap);
    }
    let unseen = LossReason::Unseen as usize;
    let lost = [counters.lost_bytes[unseen], counters.lost_total_bytes, counters.written_bytes];
    ensure!(lost == [BYTES; 3], "unseen, lost, written: {lost:?}, expected {BYTES}");
    ensure!(counters.lost_writes[unseen] == writes, "not all calls: {counters:?}");
    ensure!(seen.unseen[0].iter().sum::<u64>() == BYTES, "told: {:?}", seen.unseen[0]);
    Ok(Outcome::Counted(format!("{BYTES} bytes")))
}

/// The bytes are read from the file that they came from, for as long as the process has it open.
fn reads_back(stage: &mut Stage, call: &str) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let process =
        container.start(&["moved", call, &BYTES.to_string()], [Stdio::piped(), Stdio::piped()])?;
    let seen = observer.watch(&container);
    let output = finish(process)?;
    let seen = observer.collect_on(&container, seen)?;
    let text = body::text(1, BYTES as usize);
    same(&output.stdout, &text)?;
    if seen.ranged_bytes[0] == 0 {
        // Linux 5.10 copies for sendfile, by the function that all writes go through.
        return counted(&seen);
    }
    ensure!(seen.read_back_bytes[0] == BYTES, "{} bytes are read back", seen.read_back_bytes[0]);
    seen.exactly(0, &text, seen.counters[0].written_writes.max(1))
}

/// Nobody looks before the process is gone: what it moved is lost, and is counted.
pub(crate) fn gone(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["moved", "sendfile", &BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    same(&output.stdout, &body::text(1, BYTES as usize))?;
    let counters = &seen.counters[0];
    seen.adds_up()?;
    let lost = counters.lost_bytes[LossReason::Unseen as usize];
    ensure!([lost, counters.written_bytes] == [BYTES; 2], "{counters:?}");
    Ok(Outcome::Counted(format!("{BYTES} bytes")))
}

pub(crate) fn sendfile(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "sendfile")
}

pub(crate) fn sendfile_from(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "sendfile-from")
}

pub(crate) fn splice(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "splice")
}

pub(crate) fn splice_from(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "splice-from")
}

pub(crate) fn vmsplice(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "vmsplice")
}

pub(crate) fn tee(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "tee")
}
