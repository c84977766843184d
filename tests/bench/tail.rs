//! What a line costs when everything is read from log files: without a probe.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::DISCARD;
use crate::harness::{self, Agent, Config};
use crate::report::{Budget, Report};
use crate::source::{Containers, Stream};
use crate::usage::cpu;

/// Of a measurement.
const WINDOW: Duration = Duration::from_secs(15);
/// Until the writers have found their pace.
const WARM_UP: Duration = Duration::from_secs(1);

/// How many containers, how many lines a second each (0: as fast as they can), and a fifth of what fluent-bit takes.
const CASES: [(usize, u64, f64); 3] = [(1, 0, 0.52), (1, 10_000, 3.7), (20, 500, 13.2)];

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for (containers, rate, limit) in CASES {
        let pace = if rate == 0 { "full speed".to_owned() } else { format!("{rate} lines/s") };
        let what = format!("log files alone, {containers} × {pace}, discard");
        let used = run(containers, rate)?;
        report.check(what, used, "CPU s / 1 M lines", Budget::AtMost(limit));
    }
    Ok(())
}

/// CPU seconds of the collector for a million lines.
fn run(containers: usize, rate: u64) -> Result<f64> {
    let engine = harness::engine_alone()?.context("no engine")?;
    let agent = Agent::start(&Config::new(&engine).capture("attach: off").sinks(DISCARD))?;
    let mut writers = Containers::start(&engine, "json-file", containers, Stream::paced(rate))?;
    writers.go()?;
    sleep(WARM_UP);
    let lines =
        || -> Result<u64> { Ok(agent.metrics()?.sum("writetap_backfilled_lines_total", &[])) };
    let before = (lines()?, cpu(agent.pid())?);
    sleep(WINDOW);
    let used = cpu(agent.pid())?.saturating_sub(before.1);
    let lines = lines()? - before.0;
    let expected = WINDOW.as_secs() * rate * containers as u64;
    ensure!(
        lines > expected * 9 / 10,
        "{lines} lines instead of {expected}: the machine is too busy"
    );
    agent.stop([])?;
    Ok(used.as_secs_f64() / (lines as f64 / 1e6))
}
