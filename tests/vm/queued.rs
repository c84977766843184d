//! Writes that are handed to the kernel in a queue: no system call of theirs returns.

use anyhow::{Result, ensure};
use collector::capture::Backend;
use collector_ebpf::LossReason;

use crate::container::Container;
use crate::observer::{Observer, same};
use crate::stage::{Outcome, Stage};
use crate::workload::body;

const LINES: u64 = 100;

fn captures(stage: &mut Stage, queue: &str) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&[queue, &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, LINES);
    same(&output.stdout, &text)?;
    if let Some(gap) = passes_by(observer) {
        ensure!(seen.counters[0].written_writes == 0, "seen after all: {:?}", seen.counters[0]);
        return Ok(gap);
    }
    seen.exactly(0, &text, LINES)
}

/// What the return of system calls does not show.
fn passes_by(observer: &Observer) -> Option<Outcome> {
    let is_known = observer.backend() == Backend::Syscall;
    is_known.then(|| Outcome::Gap("the backend `syscall` does not see it".into()))
}

pub(crate) fn aio(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "aio")
}

pub(crate) fn io_uring(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "uring")
}

/// From a registered buffer: the kernel has its pages, and no address of the writer's.
pub(crate) fn io_uring_registered(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["uring-registered", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    same(&output.stdout, &body::lines(1, LINES))?;
    if let Some(gap) = passes_by(observer) {
        return Ok(gap);
    }
    if let Some(gap) = seen.gap(0, LINES)? {
        return Ok(gap);
    }
    let counters = &seen.counters[0];
    let lost = counters.lost_bytes[LossReason::Unseen as usize];
    ensure!([lost; 2] == [counters.written_bytes, output.stdout.len() as u64], "{counters:?}");
    ensure!(seen.unseen[0].iter().sum::<u64>() == lost, "told: {:?}", seen.unseen[0]);
    Ok(Outcome::Counted(format!("{lost} bytes")))
}
