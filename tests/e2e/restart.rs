//! A collector that ends, in whatever way, and another one that goes on: no line is missing, and what comes twice has the
//! same uid, and was not in the last checkpoint.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;

use crate::body;
use crate::harness::arrivals::{Arrivals, Following};
use crate::harness::gate::Gate;
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Broker, Config, Engine, Run, wait};
use crate::lines::assert_same;

/// Containers that write at the same time.
const CONTAINERS: u64 = 10;
/// Lines of each a second.
const RATE: u64 = 2000;
/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(4);

/// Containers that write `lines` each, at [`RATE`], into one topic.
struct Writers {
    names: Vec<String>,
    lines: u64,
    gate: Gate,
    config: Config,
    topic: Following,
    arrivals: Arrivals,
}

impl Writers {
    fn prepare(
        engine: &Engine,
        broker: &Broker,
        state: &Path,
        name: &str,
        lines: u64,
    ) -> Result<Self> {
        let address = broker.address();
        let sink = format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: \"{name}\" }}");
        Ok(Self {
            names: (0..CONTAINERS).map(|number| format!("{name}-{number}")).collect(),
            lines,
            gate: Gate::closed()?,
            config: Config::new(engine).state(state).sinks(sink),
            topic: Following::new(broker, name)?,
            arrivals: Arrivals::default(),
        })
    }

    fn start(&self, engine: &Engine) -> Result<()> {
        let Self { names, lines, gate, .. } = self;
        for (seed, name) in names.iter().enumerate() {
            let script = Gate::before(&format!("{WORKLOAD} rated {lines} {RATE} {seed}"));
            let command = ["sh", "-c", &script];
            engine.detach(Run { options: &[gate.mount()], ..Run::host(name, &command) })?;
        }
        gate.open()
    }

    /// Waits until all lines have arrived; then asserts that they are what was written, in order.
    fn finish(&mut self, engine: &Engine, agent: &mut Agent) -> Result<()> {
        for name in &self.names {
            engine.wait(name)?;
        }
        let Self { names, lines, topic, arrivals, .. } = self;
        let wanted = names.iter().map(|name| (name.as_str(), *lines));
        let all = arrivals.until(wanted, PATIENCE, |it| topic.take_into(it));
        for (seed, name) in (0..).zip(names.iter()) {
            let expected: Vec<_> = (1..=*lines).map(|number| body::line(seed, number)).collect();
            assert_same(name, &arrivals.lines(name, "stdout"), &expected);
        }
        all.with_context(|| agent.said())
    }
}

/// A moment up to `limit` from now, another one each time.
fn moment(limit: Duration) -> Duration {
    let random = RandomState::new().hash_one(0);
    Duration::from_millis(random % (limit.as_millis() as u64 + 1))
}

/// How many lines of each container are delivered, as the state directory has it.
fn checkpointed(state: &Path) -> Result<HashMap<String, u64>> {
    #[derive(Deserialize)]
    struct Position {
        container: String,
        stream: String,
        number: u64,
    }
    // Between two renames the newest has no name.
    let text = std::fs::read_to_string(state.join("checkpoint"))
        .or_else(|_absent| std::fs::read_to_string(state.join("checkpoint.previous")))
        .unwrap_or_default();
    let mut lines = HashMap::new();
    for line in text.lines().filter(|line| line.contains("container")) {
        let Position { container, stream, number } = serde_json::from_str(line)?;
        if stream == "stdout" {
            lines.insert(container, number);
        }
    }
    Ok(lines)
}

/// Asserts that what came twice was sent again because a collector ended before it was in a checkpoint: by the n-th time
/// that it comes, at least n - 1 collectors have ended that left it out. Returns how many duplicates there are.
#[track_caller]
fn assert_bounded(
    arrivals: &Arrivals,
    name: &str,
    id: &str,
    left: &[HashMap<String, u64>],
) -> Result<usize> {
    let mut times: HashMap<u64, usize> = HashMap::new();
    for arrival in arrivals.stream(name, "stdout") {
        let text = std::str::from_utf8(&arrival.body)?;
        let number: u64 = text.split([':', ' ', '\t']).nth(1).context("no number")?[..7].parse()?;
        *times.entry(number).or_default() += 1;
    }
    for (number, times) in &times {
        let left_out = |left: &&HashMap<String, u64>| left.get(id).is_none_or(|it| it < number);
        let most = 1 + left.iter().filter(left_out).count();
        assert!(
            *times <= most,
            "line {number} of {name} came {times} times, at most {most} should"
        );
    }
    Ok(times.values().map(|times| times - 1).sum())
}

/// Ends the collector at a random moment, again and again, while containers write.
fn interrupted(
    name: &str,
    times: u32,
    lines: u64,
    end: impl Fn(Agent) -> Result<()>,
) -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let mut writers = Writers::prepare(&engine, broker, &state, name, lines)?;
    let mut agent = Agent::start(&writers.config)?;
    writers.start(&engine)?;
    let (began, mut left) = (Instant::now(), Vec::new());
    for time in 0..times {
        thread::sleep(moment(Duration::from_secs(1)));
        end(agent)?;
        left.push(checkpointed(&state)?);
        // Every other one may be ended before it is ready.
        agent = Agent::begin(&writers.config)?;
        if time % 2 == 0 {
            agent = agent.ready()?;
        }
    }
    eprintln!("{times} ends in {:?}", began.elapsed());
    agent = agent.ready()?;
    writers.finish(&engine, &mut agent)?;
    agent.stop([])?;
    let mut duplicates = 0;
    for name in &writers.names {
        let id = engine.inspect(name, ".Id")?;
        duplicates += assert_bounded(&writers.arrivals, name, &id, &left)?;
    }
    assert_eq!(writers.arrivals.duplicates(), duplicates, "a duplicate has the uid of its first");
    eprintln!("{duplicates} duplicates of {}", CONTAINERS * lines);
    Ok(())
}

/// Before there is a first checkpoint of any line.
#[test]
fn the_very_first_one_is_told_to_stop() -> Result<()> {
    interrupted("first-stopped", 1, 6000, told_to_stop)
}

#[test]
fn the_very_first_one_is_killed() -> Result<()> {
    interrupted("first-killed", 1, 6000, Agent::kill)
}

#[test]
fn killed_thirty_times() -> Result<()> {
    interrupted("killed-30", 30, 60_000, Agent::kill)
}

#[test]
fn told_to_stop_ten_times() -> Result<()> {
    interrupted("stopped-10", 10, 20_000, told_to_stop)
}

fn told_to_stop(mut agent: Agent) -> Result<()> {
    agent.signal(Signal::TERM)?;
    // One that is not ready yet may not know the signal: it ends by it.
    let status = agent.ended()?;
    ensure!(status.code().is_none_or(|code| code == 0), "it ended with {status}");
    Ok(())
}

/// What is written meanwhile is more than the ring has room for. It comes from the log files, once.
#[test]
fn frozen_for_five_seconds() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let mut writers = Writers::prepare(&engine, broker, folder.path(), "frozen", 20_000)?;
    writers.config = writers.config.capture("ring_bytes: 4MiB");
    let mut agent = Agent::start(&writers.config)?;
    writers.start(&engine)?;
    agent.signal(Signal::STOP)?;
    thread::sleep(Duration::from_secs(5));
    agent.signal(Signal::CONT)?;
    writers.finish(&engine, &mut agent)?;
    let lost = agent.metrics()?.sum("writetap_lost_bytes_total", &[]);
    assert!(lost > 0, "nothing was lost: the test proves nothing");
    agent.stop([])?;
    assert_eq!(writers.arrivals.duplicates(), 0);
    Ok(())
}
