//! The kernel leaves out a program that was preempted on the CPU where the next task calls it. It says so nowhere but in
//! the program's own count. Two writers on one CPU meet it soonest; one alone may, beside any other process.

use anyhow::{Context as _, Result, ensure};
use collector::capture::Backend;

use crate::baseline;
use crate::container::Container;
use crate::stage::{Outcome, Stage};

const LINES: u64 = 20_000;
/// More than a kernel has places for, where a function that does not return holds one.
const BLOCKED: u64 = 60;

/// How often the kernel has left out a program of a process; 0 where it does not count, for it leaves out none there.
pub(crate) fn count(process: u32) -> Result<u64> {
    let programs = baseline::programs(process)?;
    Ok(programs.values().filter_map(|program| program.skipped).sum())
}

/// Linux from which on all that a backend has may be preempted.
const fn preempted_since(backend: Backend) -> Option<(u32, u32)> {
    match backend {
        Backend::Multi => None,
        // Before, what sees the return of system calls finds what the others have missed.
        Backend::Fexit | Backend::Syscall => Some((7, 0)),
    }
}

/// Whether a backend may miss writes on this kernel.
pub(crate) fn is_known(backend: Option<Backend>) -> bool {
    let since = backend.and_then(preempted_since);
    since.is_some_and(|since| baseline::release().is_ok_and(|release| release >= since))
}

/// Judges a container that made `writes` calls, of which the probe counted `seen`. What is missing is a gap that is known
/// of some kernels, if programs were left out as often; else it is a failure.
pub(crate) fn gap(
    backend: Option<Backend>,
    writes: u64,
    seen: u64,
    skipped: u64,
) -> Result<Option<Outcome>> {
    let missed = writes.checked_sub(seen).with_context(|| format!("{seen} of {writes} writes"))?;
    if missed == 0 {
        return Ok(None);
    }
    let said = format!("{missed} of {writes} writes missed, {skipped} runs skipped");
    ensure!(missed <= skipped, "{said}: some were missed for another reason");
    ensure!(is_known(backend), "{said}: this kernel is not known for it");
    Ok(Some(Outcome::Gap(format!("skipped programs: {said}"))))
}

/// Two processes that write as fast as they can.
pub(crate) fn rivals_on_one_cpu(stage: &mut Stage) -> Result<Outcome> {
    compete(stage, 2)
}

/// So many that several of them are preempted in programs at once.
pub(crate) fn a_crowd_on_one_cpu(stage: &mut Stage) -> Result<Outcome> {
    compete(stage, 10)
}

fn compete(stage: &mut Stage, writers: u64) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let lines = LINES / writers;
    let output = container.run(&["rivals", &writers.to_string(), &lines.to_string()])?;
    let seen = observer.collect(&container)?;
    let written = memchr::memchr_iter(b'\n', &output.stdout).count() as u64;
    ensure!(written == writers * lines, "{written} lines in the pipe");
    if let Some(gap) = seen.gap(0, written)? {
        return Ok(gap);
    }
    Ok(Outcome::Passed(format!("{written} writes, {} runs skipped", seen.skipped)))
}

/// A process that writes while others wait in the same function, for a reader that never comes.
pub(crate) fn beside_blocked_writers(stage: &mut Stage) -> Result<Outcome> {
    const LINES: u64 = 1000;
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["beside", &BLOCKED.to_string(), &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    seen.exactly(0, &output.stdout, LINES)
}
