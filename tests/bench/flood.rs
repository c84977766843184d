//! How much can be written before something is lost.

use std::time::Instant;

use anyhow::Result;

use crate::alone;
use crate::harness::Agent;
use crate::report::{Budget, Report};
use crate::source::{Stream, Writers};
use crate::usage::cpu;

/// Lines of all writers together.
const LINES: u64 = 4_000_000;
/// Writers at once: one cannot write as much as the collector can take.
const WRITERS: [u64; 2] = [1, 2];

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for writers in WRITERS {
        run(report, writers)?;
    }
    Ok(())
}

fn run(report: &mut Report, count: u64) -> Result<()> {
    let mut agent = Agent::start(&alone())?;
    let stream = Stream { lines: LINES / count, rate: 0 };
    let mut writers = Writers::start(count as usize, stream)?;
    let before = cpu(agent.pid())?;
    let began = Instant::now();
    writers.go()?;
    writers.until(LINES)?;
    let seconds = began.elapsed().as_secs_f64();
    let lost = agent.until("all lines to be counted", |agent| {
        let metrics = agent.metrics()?;
        let total = |what| metrics.sum(&format!("writetap_node_{what}_writes_total"), &[]);
        let lost = metrics.sum("writetap_node_lost_bytes_total", &[]);
        Ok((total("captured") + total("lost") >= LINES).then_some(lost))
    })?;
    let used = cpu(agent.pid())?.saturating_sub(before).as_secs_f64();
    let what = |what| format!("{count} writer(s) at full speed: {what}");
    let rate = LINES as f64 / seconds;
    report.check(what("lines"), rate, "lines/s", Budget::AtLeast(500_000.0));
    report.check(what("lost"), lost as f64, "bytes", Budget::AtMost(0.0));
    report.note(what("collector"), used / (LINES as f64 / 1e6), "CPU s / 1 M lines");
    agent.stop([])?;
    Ok(())
}
