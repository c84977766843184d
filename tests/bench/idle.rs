//! What it takes when nothing is written.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::DISCARD;
use crate::harness::{self, Agent, Config};
use crate::report::{Budget, Report};
use crate::source::{Containers, Stream};
use crate::usage::{cpu, resident_mebibytes, sleeps};

const CONTAINERS: usize = 50;
/// Until the reader of the ring has found that nothing comes.
const WARM_UP: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(20);

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let engine = harness::engine_alone()?.context("no engine")?;
    let stream = Stream::paced(1);
    let containers = Containers::start(&engine, "none", CONTAINERS, stream)?;
    let agent = Agent::start(&Config::new(&engine).sinks(DISCARD))?;
    sleep(WARM_UP);
    let before = (cpu(agent.pid())?, sleeps(agent.pid())?);
    sleep(WINDOW);
    let used = cpu(agent.pid())?.saturating_sub(before.0).as_secs_f64();
    let sleeps = (sleeps(agent.pid())? - before.1) as f64 / WINDOW.as_secs_f64();
    let what = |what| format!("{CONTAINERS} containers that write nothing: {what}");
    let share = 100.0 * used / WINDOW.as_secs_f64();
    report.check(what("CPU"), share, "% of a core", Budget::AtMost(0.5));
    report.note(what("wake-ups"), sleeps, "/s");
    report.note(what("memory"), resident_mebibytes(agent.pid())?, "MiB RSS");
    agent.stop([])?;
    drop(containers);
    Ok(())
}
