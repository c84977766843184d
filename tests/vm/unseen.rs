//! Calls without a buffer: there is nothing to copy, but the count is exact and told.

use anyhow::{Result, ensure};
use collector_ebpf::LossReason;

use crate::container::Container;
use crate::observer::same;
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

pub(crate) fn sendfile(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "sendfile")
}

pub(crate) fn splice(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "splice")
}

pub(crate) fn vmsplice(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "vmsplice")
}

pub(crate) fn tee(stage: &mut Stage) -> Result<Outcome> {
    counts(stage, "tee")
}
