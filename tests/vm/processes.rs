//! Whichever process of the container writes, and through whichever descriptor: the object decides.

use std::env::current_exe;
use std::io::{Read as _, pipe};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use collector::capture::Backend;
use collector_ebpf::NodeCounter;

use crate::container::{Container, finish};
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

/// By `dup`, `dup2` and `dup3`.
pub(crate) fn copied_descriptors(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["copied", &LINES.to_string()], &[1, 2, 3])
}

/// By `pidfd_getfd`.
pub(crate) fn fetched_descriptor(stage: &mut Stage) -> Result<Outcome> {
    captures(stage, "fetched")
}

/// Runs the workload, whose stdout has to be the lines of these seeds.
fn captures_seeds(stage: &mut Stage, command: &[&str], seeds: &[u64]) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(command)?;
    let seen = observer.collect(&container)?;
    let text: Vec<u8> = seeds.iter().flat_map(|&seed| body::lines(seed, LINES)).collect();
    same(&output.stdout, &text)?;
    seen.exactly(0, &text, seeds.len() as u64 * LINES)
}

/// Fd 1 is another pipe for a while, of which nothing is captured.
pub(crate) fn reused_descriptor(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["reused", &LINES.to_string()], &[2, 3])
}

pub(crate) fn vfork(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["started", "vfork", &LINES.to_string()], &[1])
}

pub(crate) fn exec(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["started", "exec", &LINES.to_string()], &[1])
}

pub(crate) fn clone3(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["started", "clone3", &LINES.to_string()], &[1])
}

/// In mount, UTS, IPC, network and cgroup namespaces of its own, and back by `setns`.
pub(crate) fn other_namespaces(stage: &mut Stage) -> Result<Outcome> {
    captures_seeds(stage, &["unshared", &LINES.to_string()], &[1, 2])
}

/// The writer is process 1 to itself; who captures knows it by another number.
pub(crate) fn pid_namespace(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["pid-namespace", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::lines(1, LINES);
    same(&output.stdout, &text)?;
    let outcome = seen.exactly(0, &text, LINES)?;
    let pid: u32 = String::from_utf8(output.stderr)?.parse()?;
    ensure!(seen.writers.contains(&pid), "by {:?}, not {pid}", seen.writers);
    Ok(outcome)
}

/// The descriptor is closed while its write waits.
pub(crate) fn closed_while_writing(stage: &mut Stage) -> Result<Outcome> {
    loses_its_descriptor(stage, "closed")
}

/// The descriptor becomes that of stderr while its write to stdout waits.
pub(crate) fn replaced_while_writing(stage: &mut Stage) -> Result<Outcome> {
    loses_its_descriptor(stage, "replaced")
}

fn loses_its_descriptor(stage: &mut Stage, command: &str) -> Result<Outcome> {
    const BYTES: usize = 100_000;
    let observer = stage.observer()?;
    let gone = observer.node(NodeCounter::DescriptorGone);
    let container = Container::new()?;
    let output = container.run_until_told(&[command, &BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    let gone = observer.node(NodeCounter::DescriptorGone) - gone;
    let text = body::text(1, BYTES);
    same(&output.stdout, &text)?;
    if observer.backend() != Backend::Syscall {
        ensure!(gone == 0, "{gone} descriptors gone");
        return seen.exactly(0, &text, 1);
    }
    // When the call returns, its number tells nothing of what it wrote to.
    if let Some(gap) = seen.gap(1, if gone == 0 { 2 } else { 1 })? {
        return Ok(gap);
    }
    if command == "closed" {
        ensure!(gone == 1, "{gone} descriptors gone");
        return Ok(Outcome::Noted(String::new()));
    }
    same(&seen.bytes[1][..5], b"gone\n")?;
    same(&seen.bytes[1][5..], &text)?;
    Ok(Outcome::NotSeen("taken for stderr".into()))
}

/// Who is moved into a container belongs to it from there on: `docker exec`, with the container's own stdout.
pub(crate) fn moved_into_the_container(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let (mut reader, writer) = pipe()?;
    let lines = LINES.to_string();
    finish(container.start(&["by", "write", "1"], [writer.try_clone()?.into(), Stdio::piped()])?)?;
    let mut late = Command::new(current_exe()?);
    late.args(["workload", "moving", container.path()?, &lines]).stdout(writer);
    ensure!(late.status()?.success(), "the process that was moved failed");
    drop(late);
    let mut shown = Vec::new();
    reader.read_to_end(&mut shown)?;
    let seen = observer.collect(&container)?;
    let (entry, inside) = (body::lines(1, 1), body::lines(2, LINES));
    same(&shown, &[&entry[..], &body::lines(1, LINES), &inside].concat())?;
    seen.exactly(0, &[entry, inside].concat(), 1 + LINES)
}

/// Who is moved out of a container does not belong to it any more, nor does what it writes to another container belong
/// there.
pub(crate) fn moved_to_another_container(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let (container, other) = (Container::new()?, Container::new()?);
    other.run(&["by", "write", "1"])?;
    let output = container.run(&["moving", other.path()?, &LINES.to_string()])?;
    let [seen, elsewhere] = [observer.collect(&container)?, observer.collect(&other)?];
    let [before, after] = [1, 2].map(|seed| body::lines(seed, LINES));
    same(&output.stdout, &[&before[..], &after].concat())?;
    let writes = elsewhere.counters[0].written_writes;
    ensure!(writes <= 1, "{writes} writes of the other container, which made one");
    seen.exactly(0, &before, LINES)
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
