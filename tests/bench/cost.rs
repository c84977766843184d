//! What a line costs when one container writes as fast as it can.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::DISCARD;
use crate::harness::{self, Agent, Config, Engine, Site};
use crate::report::{Budget, Report};
use crate::source::{Containers, Stream};
use crate::usage::{self, cpu};

const LINES: u64 = 1_000_000;
/// How often it is asked how far it has come: asking costs.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often at most.
const LOOKS: u32 = 240;

/// Beside what Docker needs for the same lines.
pub(crate) fn discard(report: &mut Report) -> Result<()> {
    let engine = harness::engine_alone()?.context("no engine")?;
    for driver in ["json-file", "local", "none"] {
        let config = Config::new(&engine).sinks(DISCARD);
        let (collector, docker) = run(&engine, driver, &config)?;
        if driver == "json-file" {
            budget(report, "discard", collector, 0.5);
        }
        report.note(format!("the same lines: Docker, {driver}"), docker, "CPU s / 1 M lines");
        let ratio = docker / collector;
        report.note(format!("the same lines: Docker, {driver} ÷ collector"), ratio, "×");
    }
    Ok(())
}

pub(crate) fn file(report: &mut Report) -> Result<()> {
    let file = Site::get()?.folder("sink")?.join("lines.json");
    to(report, "JSON to a file", 1.0, &format!("type: file, path: \"{}\"", file.display()))
}

pub(crate) fn kafka(report: &mut Report) -> Result<()> {
    let broker = harness::broker()?.context("no broker")?;
    let address = broker.address();
    to(report, "Kafka", 1.3, &format!("type: kafka, brokers: [\"{address}\"], topic: cost"))
}

fn to(report: &mut Report, name: &str, limit: f64, sink: &str) -> Result<()> {
    let engine = harness::engine_alone()?.context("no engine")?;
    let config = Config::new(&engine).sinks(format!("out: {{ {sink} }}"));
    let (collector, _) = run(&engine, "none", &config)?;
    budget(report, name, collector, limit);
    Ok(())
}

fn budget(report: &mut Report, sink: &str, collector: f64, limit: f64) {
    let what = format!("one container at full speed, {sink}");
    report.check(what, collector, "CPU s / 1 M lines", Budget::AtMost(limit));
}

/// CPU seconds of the collector and of Docker for a million lines.
fn run(engine: &Engine, driver: &str, config: &Config) -> Result<(f64, f64)> {
    let agent = Agent::start(config)?;
    let stream = Stream { lines: LINES, rate: 0 };
    let mut container = Containers::start(engine, driver, 1, stream)?;
    let before = (cpu(agent.pid())?, usage::Engine::now()?);
    container.go()?;
    let (mut delivered, mut lost) = (0, 0);
    for _ in 0..LOOKS {
        sleep(LOOK_AGAIN);
        let metrics = agent.metrics()?;
        delivered = metrics.sum("writetap_sink_records_total", &[]);
        lost = metrics.sum("writetap_node_lost_writes_total", &[]);
        if delivered + lost >= LINES {
            break;
        }
    }
    ensure!(delivered + lost == LINES, "{delivered} of {LINES} lines were delivered, {lost} lost");
    if lost > 0 {
        eprintln!("    {lost} lines were lost");
    }
    let collector = cpu(agent.pid())?.saturating_sub(before.0);
    let docker = usage::Engine::now()?.since(&before.1);
    agent.stop([])?;
    let per_million = |time: Duration| time.as_secs_f64() / (delivered as f64 / 1e6);
    Ok((per_million(collector), per_million(docker)))
}
