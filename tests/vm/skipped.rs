//! The kernel leaves out a program that was preempted on the CPU where the next writer calls it. It says so nowhere but
//! in the program's own count.

use anyhow::{Context as _, Result, ensure};

use crate::baseline;
use crate::container::Container;
use crate::stage::{Outcome, Stage};

const LINES: u64 = 10_000;
/// The program that sees writes.
const PROGRAM: &str = "sys_exit";
/// Linux from which on a program of this kind may be preempted by default.
const PREEMPTED_SINCE: (u32, u32) = (7, 0);

/// Two processes that write as fast as they can.
pub(crate) fn rivals_on_one_cpu(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let before = skipped()?;
    let output = container.run(&["rivals", "2", &LINES.to_string()])?;
    let skipped = skipped()? - before;
    let seen = observer.collect(&container)?;
    seen.adds_up()?;
    let written = memchr::memchr_iter(b'\n', &output.stdout).count() as u64;
    ensure!(written == 2 * LINES, "{written} lines in the pipe");
    let counters = &seen.counters[0];
    ensure!(counters.lost_total_bytes == 0, "lost: {counters:?}");
    let missed = written - counters.written_writes;
    let bytes = output.stdout.len() as u64 - counters.written_bytes;
    let said =
        format!("{missed} of {written} writes ({bytes} bytes) missed, {skipped} runs skipped");
    ensure!(missed <= skipped, "{said}: some were missed for another reason");
    if missed == 0 {
        return Ok(Outcome::Passed(said));
    }
    ensure!(baseline::release()? >= PREEMPTED_SINCE, "{said}: this kernel is not known for it");
    Ok(Outcome::Gap(format!("skipped programs: {said}")))
}

/// How often the kernel has left out the program; 0 where it does not count, and does not leave out.
fn skipped() -> Result<u64> {
    let programs = baseline::programs()?;
    let program = programs.get(PROGRAM).with_context(|| format!("no program `{PROGRAM}`"))?;
    Ok(program.skipped.unwrap_or_default())
}
