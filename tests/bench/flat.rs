//! Whether a line costs the same however many containers write it; and what watching many takes.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::alone;
use crate::harness::Agent;
use crate::report::{Budget, Report};
use crate::source::{Stream, Writers};
use crate::usage::{cpu, resident_mebibytes};

/// Lines a second of all sources together.
const RATE: u64 = 10_000;
const SOURCES: [u64; 4] = [1, 10, 100, 500];
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(8);

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let mut one = None;
    for sources in SOURCES {
        let agent = Agent::start(&alone())?;
        let mut writers = Writers::start(sources as usize, Stream::paced(RATE / sources))?;
        writers.go()?;
        sleep(WARM_UP);
        let captured = || -> Result<u64> {
            Ok(agent.metrics()?.sum("writetap_node_captured_writes_total", &[]))
        };
        let before = (captured()?, cpu(agent.pid())?);
        sleep(WINDOW);
        let used = cpu(agent.pid())?.saturating_sub(before.1).as_secs_f64();
        let cost = used / ((captured()? - before.0) as f64 / 1e6);
        let what = format!("{sources} sources, {RATE} lines/s together");
        report.note(what, cost, "CPU s / 1 M lines");
        let one = *one.get_or_insert(cost);
        if sources > 1 {
            report.note(format!("{sources} sources ÷ 1 source"), cost / one, "×");
        }
        if sources == 500 {
            let memory = resident_mebibytes(agent.pid())?;
            let what = format!("memory with {sources} watched cgroups");
            report.check(what, memory, "MiB RSS", Budget::AtMost(64.0));
        }
        drop(writers);
        agent.stop([])?;
    }
    Ok(())
}
