//! What was not captured comes from the log files: what the ring had no room for, and what was written while no collector ran.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::body;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::assert_same;

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

fn file_sink(path: &Path) -> String {
    format!("f: {{ type: file, path: \"{}\", rotate: {{ max_bytes: 0B }} }}", path.display())
}

/// Lines `from` to `to` of a seed.
fn lines(seed: u64, numbers: std::ops::RangeInclusive<u64>) -> Vec<Vec<u8>> {
    numbers.map(|number| body::line(seed, number)).collect()
}

/// A flood of many times the ring: each line once, in order, and then capture goes on.
#[test]
fn a_ring_that_is_overrun() -> Result<()> {
    const FLOOD_LINES: u64 = 250_000;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("records");
    let config = Config::new(&engine).capture("ring_bytes: 256KiB").sinks(file_sink(&path));
    let mut agent = Agent::start(&config)?;
    let script = format!("/workload flood {}; exec /workload paced 500 10", FLOOD_LINES * 100);
    engine.detach(Run::host("overrun", &["sh", "-c", &script]))?;
    engine.wait("overrun")?;
    let (mut file, mut arrivals) = (Growing::new(&path), Arrivals::default());
    let wanted = [("overrun", FLOOD_LINES + 500)];
    let all = arrivals.until(wanted, PATIENCE, |it| file.take_into(it));
    let flood = (1..=FLOOD_LINES).map(body::flood_line).collect();
    let expected = [flood, lines(1, 1..=500)].concat();
    assert_same("overrun", &arrivals.lines("overrun", "stdout"), &expected);
    all?;
    assert_eq!(arrivals.duplicates(), 0);
    agent.until("the seam", |agent| {
        Ok((agent.metrics()?.sum("writetap_seam_joins_total", &[]) > 0).then_some(()))
    })?;
    let metrics = agent.metrics()?;
    let lost = metrics.of_container("writetap_lost_bytes_total", "overrun");
    assert!(lost > 0, "nothing was lost: the test proves nothing");
    agent.stop([])?;
    Ok(())
}

/// A container that runs `script` in steps: `step` waits to be let on.
struct Stepped<'a> {
    engine: &'a Engine,
    name: &'a str,
}

impl<'a> Stepped<'a> {
    fn start(engine: &'a Engine, name: &'a str, script: &str, options: &[&str]) -> Result<Self> {
        let step = "step() { until [ -e /tmp/step-$1 ]; do sleep 0.05; done; }";
        let script = format!("{step}; {script}");
        engine.detach(Run { options, ..Run::host(name, &["sh", "-c", &script]) })?;
        Ok(Self { engine, name })
    }

    fn step(&self, number: u32) -> Result<()> {
        self.engine.docker(&["exec", self.name, "touch", &format!("/tmp/step-{number}")])?;
        Ok(())
    }

    /// Waits for a file that the script makes.
    fn until_done(&self, number: u32) -> Result<()> {
        let file = format!("/tmp/done-{number}");
        wait::until(&format!("`{}` at {number}", self.name), PATIENCE, || {
            Ok(self.engine.docker(&["exec", self.name, "test", "-e", &file]).ok())
        })?;
        Ok(())
    }
}

/// A script that writes a part before each of two steps and one after them; the middle one has so many lines.
fn in_three_parts(lines: u64) -> String {
    format!(
        "/workload rated 1000 0 33; touch /tmp/done-1; step 1; /workload rated {lines} 0 34; \
         touch /tmp/done-2; step 2; exec /workload rated 1000 0 35"
    )
}

/// Containers from before the first start, across a time without a collector, only of that time, gone in it, and rotated in it.
#[test]
fn a_time_without_a_collector() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("records");
    let config = Config::new(&engine).state(&folder.path().join("state")).sinks(file_sink(&path));
    let rotated = ["--log-opt=max-size=100k", "--log-opt=max-file=8", "--log-opt=compress=true"];
    let before = "/workload lines 100 31; touch /tmp/done-1; step 1; exec /workload lines 100 32";
    let before = Stepped::start(&engine, "before", before, &[])?;
    before.until_done(1)?;

    let agent = Agent::start(&config)?;
    let through = Stepped::start(&engine, "through", &in_three_parts(1000), &[])?;
    // Several files of 100 kB are packed while nobody looks.
    let packed = Stepped::start(&engine, "packed", &in_three_parts(3000), &rotated)?;
    let removed = Stepped::start(&engine, "removed", "/workload rated 100 0 39; step 1", &[])?;
    for container in [&through, &packed] {
        container.until_done(1)?;
    }
    let (mut file, mut arrivals) = (Growing::new(&path), Arrivals::default());
    let first = [("through", 1000), ("packed", 1000), ("removed", 100)];
    arrivals.until(first, PATIENCE, |it| file.take_into(it))?;
    agent.stop([])?;

    before.step(1)?;
    engine.wait("before")?;
    for container in [&through, &packed] {
        container.step(1)?;
        container.until_done(2)?;
    }
    engine.docker(&["rm", "--force", removed.name])?;
    engine.run(Run::host("between", &[WORKLOAD, "rated", "500", "0", "36"]))?;
    engine.run(Run::host("twice", &[WORKLOAD, "rated", "500", "0", "37"]))?;

    let agent = Agent::start(&config)?;
    engine.docker(&["start", "twice"])?;
    engine.wait("twice")?;
    for container in [through, packed] {
        container.step(2)?;
        engine.wait(container.name)?;
    }
    let wanted =
        [("before", 100), ("through", 3000), ("packed", 5000), ("between", 500), ("twice", 1000)];
    let all = arrivals.until(wanted, PATIENCE, |it| file.take_into(it));
    agent.stop([])?;
    file.take_into(&mut arrivals)?;

    let stdout = |name: &str| arrivals.lines(name, "stdout");
    let odd: Vec<_> = (1..=100).step_by(2).map(|number| body::line(32, number)).collect();
    let even: Vec<_> = (2..=100).step_by(2).map(|number| body::line(32, number)).collect();
    assert_same("before", &stdout("before"), &odd);
    assert_same("before, stderr", &arrivals.lines("before", "stderr"), &even);
    let expected = [lines(33, 1..=1000), lines(34, 1..=1000), lines(35, 1..=1000)].concat();
    assert_same("through", &stdout("through"), &expected);
    let expected = [lines(33, 1..=1000), lines(34, 1..=3000), lines(35, 1..=1000)].concat();
    assert_same("packed", &stdout("packed"), &expected);
    assert_same("between", &stdout("between"), &lines(36, 1..=500));
    assert_same("twice", &stdout("twice"), &[lines(37, 1..=500), lines(37, 1..=500)].concat());
    assert_same("removed", &stdout("removed"), &lines(39, 1..=100));
    all?;
    // The first collector ended well: it left nothing to send again.
    assert_eq!(arrivals.duplicates(), 0);
    Ok(())
}
