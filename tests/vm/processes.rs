//! Whichever process of the container writes, and through whichever descriptor: the object decides.

use anyhow::{Result, ensure};

use crate::container::Container;
use crate::observer::same;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

const LINES: u64 = 200;

/// Runs the workload, whose stdout has to be the lines of one seed.
fn captures(stage: &mut Stage, command: &str) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&[command, &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, LINES);
    same(&output.stdout, &text)?;
    seen.exactly(0, &text, LINES)
}

/// Runs the workload, in which each of `writers` writes the lines of its own seed at once with the others.
fn captures_writers(stage: &mut Stage, command: &[&str], writers: u64) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(command)?;
    let seen = observer.collect(&container)?;
    let text: Vec<u8> = (1..=writers).flat_map(|seed| body::lines(seed, LINES)).collect();
    same(&sorted(&output.stdout), &sorted(&text))?;
    if let Some(gap) = seen.gap(0, writers * LINES)? {
        return Ok(gap);
    }
    // They race into the ring and into the pipe.
    same(&sorted(&seen.bytes[0]), &sorted(&text))?;
    Ok(Outcome::Passed(format!("{} bytes", text.len())))
}

/// The lines in the order of their seeds and numbers, which they begin with.
fn sorted(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// It is gone long before anybody in user space could look at it.
pub(crate) fn dies_at_once(stage: &mut Stage) -> Result<Outcome> {
    const CONTAINERS: usize = 10;
    let observer = stage.observer()?;
    let mut outcome = Outcome::Passed(String::new());
    for _ in 0..CONTAINERS {
        let container = Container::new()?;
        container.run(&["once", "last words"])?;
        outcome = outcome.and(observer.collect(&container)?.exactly(0, b"last words\n", 1)?);
    }
    Ok(outcome.and(Outcome::Passed(format!("{CONTAINERS} containers"))))
}

pub(crate) fn forked(stage: &mut Stage) -> Result<Outcome> {
    captures_writers(stage, &["fork", &LINES.to_string()], 2)
}

pub(crate) fn daemon(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "daemonise")
}

pub(crate) fn copied_descriptor(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "dup7")
}

pub(crate) fn passed_descriptor(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "scm-rights")
}

pub(crate) fn threads_at_once(stage: &mut Stage) -> Result<Outcome> {
    captures_writers(stage, &["threads", "4", &LINES.to_string()], 4)
}

/// What a container makes below its own cgroup is still that container.
pub(crate) fn nested_cgroup(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run_nested(&["dup7", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, LINES);
    same(&output.stdout, &text)?;
    seen.exactly(0, &text, LINES)
}

/// The first write of `tee` goes into such a pipe; so does one byte of `scm-rights` into a socket.
pub(crate) fn pipes_between_them_are_not_captured(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    container.run(&["moved", "tee", "1000"])?;
    let seen = observer.collect(&container)?;
    ensure!(seen.bytes[0].is_empty(), "{} bytes of another pipe", seen.bytes[0].len());
    Ok(Outcome::Passed(String::new()))
}
