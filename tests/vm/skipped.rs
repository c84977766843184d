//! The kernel leaves out a program that was preempted on the CPU where the next writer calls it. It says so nowhere but
//! in the program's own count.

use anyhow::{Context as _, Result, ensure};

use crate::baseline;
use crate::container::Container;
use crate::observer::Seen;
use crate::stage::{Outcome, Stage};

const LINES: u64 = 10_000;
/// The program that sees writes.
const PROGRAM: &str = "sys_exit";
/// Linux from which on a program of this kind may be preempted by default.
const PREEMPTED_SINCE: (u32, u32) = (7, 0);

/// How often the kernel has left out the program, from some moment on.
pub(crate) struct Skips {
    before: u64,
}

impl Skips {
    /// From now on.
    pub(crate) fn begin() -> Result<Self> {
        Ok(Self { before: skipped()? })
    }

    /// Judges a container that made `writes` calls, of which the probe may have been left out of some: that is a known
    /// gap of some kernels, and must be all that is missing.
    pub(crate) fn judge(&self, writes: u64, seen: &Seen) -> Result<Outcome> {
        let skipped = skipped()? - self.before;
        seen.adds_up()?;
        let counters = &seen.counters[0];
        ensure!(counters.lost_total_bytes == 0, "lost: {counters:?}");
        let missed = writes.checked_sub(counters.written_writes).context("more than written")?;
        let said = format!("{missed} of {writes} writes missed, {skipped} runs skipped");
        if missed == 0 {
            return Ok(Outcome::Passed(said));
        }
        ensure!(missed <= skipped, "{said}: some were missed for another reason");
        ensure!(baseline::release()? >= PREEMPTED_SINCE, "{said}: this kernel is not known for it");
        Ok(Outcome::Gap(format!("skipped programs: {said}")))
    }
}

/// 0 where the kernel does not count: it leaves out none there.
fn skipped() -> Result<u64> {
    let programs = baseline::programs()?;
    let program = programs.get(PROGRAM).with_context(|| format!("no program `{PROGRAM}`"))?;
    Ok(program.skipped.unwrap_or_default())
}

/// Two processes that write as fast as they can.
pub(crate) fn rivals_on_one_cpu(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let skips = Skips::begin()?;
    let output = container.run(&["rivals", "2", &LINES.to_string()])?;
    let seen = observer.collect(&container)?;
    let written = memchr::memchr_iter(b'\n', &output.stdout).count() as u64;
    ensure!(written == 2 * LINES, "{written} lines in the pipe");
    skips.judge(written, &seen)
}
