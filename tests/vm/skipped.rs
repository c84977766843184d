//! The kernel leaves out a program that was preempted on the CPU where the next task calls it. It says so nowhere but in
//! the program's own count. Two writers on one CPU meet it soonest; one alone may, beside any other process.

use anyhow::{Context as _, Result, ensure};

use crate::baseline;
use crate::container::Container;
use crate::stage::{Outcome, Stage};

const LINES: u64 = 10_000;
/// The program that sees writes.
const PROGRAM: &str = "sys_exit";
/// Linux from which on a program of this kind may be preempted by default.
const PREEMPTED_SINCE: (u32, u32) = (7, 0);

/// How often the kernel has left out the program of a process; 0 where it does not count, for it leaves out none there.
pub(crate) fn count(process: u32) -> Result<u64> {
    let programs = baseline::programs(process)?;
    let program = programs.get(PROGRAM).with_context(|| format!("no program `{PROGRAM}`"))?;
    Ok(program.skipped.unwrap_or_default())
}

/// Judges a container that made `writes` calls, of which the probe counted `seen`. What is missing is a gap that is known
/// of some kernels, if the program was left out as often; else it is a failure.
pub(crate) fn gap(writes: u64, seen: u64, skipped: u64) -> Result<Option<Outcome>> {
    let missed = writes.checked_sub(seen).with_context(|| format!("{seen} of {writes} writes"))?;
    if missed == 0 {
        return Ok(None);
    }
    let said = format!("{missed} of {writes} writes missed, {skipped} runs skipped");
    ensure!(missed <= skipped, "{said}: some were missed for another reason");
    ensure!(baseline::release()? >= PREEMPTED_SINCE, "{said}: this kernel is not known for it");
    Ok(Some(Outcome::Gap(format!("skipped programs: {said}"))))
}

/// Two processes that write as fast as they can.
pub(crate) fn rivals_on_one_cpu(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["rivals", "2", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let written = memchr::memchr_iter(b'\n', &output.stdout).count() as u64;
    ensure!(written == 2 * LINES, "{written} lines in the pipe");
    if let Some(gap) = seen.gap(0, written)? {
        return Ok(gap);
    }
    Ok(Outcome::Passed(format!("{written} writes")))
}
