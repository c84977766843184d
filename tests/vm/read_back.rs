//! Bytes that were moved from a file to stdout are read there, for as long as the process has it open.

use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::calls;
use crate::container::{Container, finish};
use crate::observer::same;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// At most what a pipe holds.
const BYTES: u64 = 10_000;

fn reads_back(stage: &mut Stage, call: &str) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let streams = [Stdio::piped(), Stdio::piped()];
    let process = container.start(&["held", call, &BYTES.to_string()], streams)?;
    let seen = observer.watch(&container);
    let output = finish(process)?;
    let seen = observer.collect_on(&container, seen)?;
    let text = body::text(1, BYTES as usize);
    same(&output.stdout, &text)?;
    if seen.ranged_bytes[0] == 0 {
        // Linux 5.10 copies for sendfile, by the function that all writes go through.
        return calls::counted(&seen, BYTES);
    }
    ensure!(seen.read_back_bytes[0] == BYTES, "{} bytes are read back", seen.read_back_bytes[0]);
    let writes = seen.counters[0].written_writes.max(1);
    Ok(match seen.exactly(0, &text, writes)? {
        Outcome::Passed(said) => Outcome::ReadBack(said),
        other => other,
    })
}

pub(crate) fn sendfile(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "sendfile")
}

pub(crate) fn sendfile_from(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "sendfile_from")
}

pub(crate) fn splice(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "splice")
}

pub(crate) fn splice_from(stage: &mut Stage) -> Result<Outcome> {
    reads_back(stage, "splice_from")
}
