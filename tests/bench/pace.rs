//! What a line costs when many containers write a little each.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::DISCARD;
use crate::harness::{self, Agent, Config, Engine, Site};
use crate::report::{Budget, Report};
use crate::source::{Containers, Stream};
use crate::usage::{self, cpu};

const CONTAINERS: usize = 20;
/// Lines a second of each.
const RATE: u64 = 500;
/// Of a measurement for a budget: 300 000 lines.
const WINDOW: Duration = Duration::from_secs(30);
/// Of a measurement of Docker's other drivers.
const SHORT_WINDOW: Duration = Duration::from_secs(10);
/// Until the writers, and a new collector, have found their pace.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let engine = harness::engine_alone()?.context("no engine")?;
    let discard = Config::new(&engine).sinks(DISCARD);
    let file = Site::get()?.folder("sink")?.join("lines.json");
    let json = format!("out: {{ type: file, path: \"{}\" }}", file.display());
    for driver in ["json-file", "local", "none"] {
        let containers = start(&engine, driver)?;
        let window = if driver == "json-file" { WINDOW } else { SHORT_WINDOW };
        let Used { collector, docker } = run(&discard, window)?;
        if driver == "json-file" {
            budget(report, "discard", collector, 1.0);
            let Used { collector, .. } = run(&Config::new(&engine).sinks(&json), window)?;
            budget(report, "JSON to a file", collector, 1.8);
        }
        report.note(format!("the same lines: Docker, {driver}"), docker, "CPU s / 1 M lines");
        report.note(
            format!("the same lines: Docker, {driver} ÷ collector"),
            docker / collector,
            "×",
        );
        drop(containers);
    }
    Ok(())
}

fn budget(report: &mut Report, sink: &str, collector: f64, limit: f64) {
    let what = format!("{CONTAINERS} containers × {RATE} lines/s, {sink}");
    report.check(what, collector, "CPU s / 1 M lines", Budget::AtMost(limit));
}

fn start<'a>(engine: &'a Engine, driver: &'a str) -> Result<Containers<'a>> {
    let mut containers = Containers::start(engine, driver, CONTAINERS, Stream::paced(RATE))?;
    containers.go()?;
    Ok(containers)
}

/// CPU seconds for a million lines.
struct Used {
    collector: f64,
    docker: f64,
}

fn run(config: &Config, window: Duration) -> Result<Used> {
    let agent = Agent::start(config)?;
    sleep(WARM_UP);
    let lines = |agent: &Agent| -> Result<u64> {
        let metrics = agent.metrics()?;
        let lost = metrics.sum("writetap_node_lost_writes_total", &[]);
        ensure!(lost == 0, "{lost} lines were lost");
        Ok(metrics.sum("writetap_node_captured_writes_total", &[]))
    };
    let before = (lines(&agent)?, cpu(agent.pid())?, usage::Engine::now()?);
    sleep(window);
    let docker = usage::Engine::now()?.since(&before.2);
    let collector = cpu(agent.pid())?.saturating_sub(before.1);
    let lines = lines(&agent)? - before.0;
    let expected = window.as_secs() * RATE * CONTAINERS as u64;
    ensure!(
        lines > expected * 9 / 10,
        "{lines} lines instead of {expected}: the machine is too busy"
    );
    agent.stop([])?;
    let per_million = |time: Duration| time.as_secs_f64() / (lines as f64 / 1e6);
    Ok(Used { collector: per_million(collector), docker: per_million(docker) })
}
