//! A collector that ends, in whatever way, and another one that goes on: no line is missing, and what comes twice has the
//! same uid.

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::body;
use crate::harness::image::WORKLOAD;
use crate::harness::record::of_container;
use crate::harness::{self, Agent, Config, Engine, Record, Run};
use crate::lines::assert_same;

/// Containers that write at the same time.
const CONTAINERS: u64 = 10;
/// Lines of each a second.
const RATE: u64 = 2000;

/// The records of a container in a file, without those that came before.
fn unique(file: &Path, container: &str) -> Result<(Vec<Record>, usize)> {
    let all = of_container(&std::fs::read(file)?, container)?;
    let mut seen = HashSet::new();
    let count = all.len();
    let unique: Vec<_> = all.into_iter().filter(|it| seen.insert(it.uid.clone())).collect();
    let duplicates = count - unique.len();
    Ok((unique, duplicates))
}

/// Starts containers that write `lines` each, at [`RATE`]; returns their names.
fn start_writers(engine: &Engine, name: &str, lines: u64) -> Result<Vec<String>> {
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("{name}-{number}")).collect();
    let (lines, rate) = (lines.to_string(), RATE.to_string());
    for (seed, name) in (0..).zip(&names) {
        let seed: u64 = seed;
        let command = [WORKLOAD, "rated", &lines, &rate, &seed.to_string()];
        engine.detach(Run::host(name, &command))?;
    }
    Ok(names)
}

/// Asserts that the file has every line of every container once, but for duplicates with the same uid; returns how many
/// of those there are.
fn assert_complete(file: &Path, names: &[String], lines: u64) -> Result<usize> {
    let mut duplicates = 0;
    for (seed, name) in (0..).zip(names) {
        let (records, more) = unique(file, name)?;
        let bodies: Vec<_> = records.iter().map(Record::body).collect::<Result<_>>()?;
        let expected: Vec<_> = (1..=lines).map(|number| body::line(seed, number)).collect();
        assert_same(name, &bodies, &expected);
        duplicates += more;
    }
    Ok(duplicates)
}

/// Ends the collector in some way, again and again, while containers write; then all of it must have arrived.
fn interrupted(
    name: &str,
    times: u32,
    lines: u64,
    end: impl Fn(Agent) -> Result<()>,
) -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("records");
    let sink =
        format!("f: {{ type: file, path: \"{}\", rotate: {{ max_bytes: 0B }} }}", file.display());
    let config = Config::new(&engine).state(&folder.path().join("state")).sinks(sink);
    let mut agent = Agent::start(&config)?;
    let names = start_writers(&engine, name, lines)?;
    for time in 0..times {
        thread::sleep(Duration::from_millis(u64::from(137 * (time * 7 % 11))));
        end(agent)?;
        agent = Agent::start(&config)?;
    }
    for name in &names {
        engine.wait(name)?;
    }
    agent
        .until("all lines", |_| {
            let count = |name: &String| Ok(unique(&file, name)?.0.len() as u64);
            let counts: Vec<u64> = names.iter().map(count).collect::<Result<_>>()?;
            Ok(counts.iter().all(|&count| count >= lines).then_some(()))
        })
        .context("lines are missing")?;
    agent.stop([])?;
    let duplicates = assert_complete(&file, &names, lines)?;
    eprintln!("{duplicates} duplicates of {}", CONTAINERS * lines);
    Ok(())
}

#[test]
fn killed_thirty_times() -> Result<()> {
    interrupted("killed", 5, 20_000, Agent::kill)
}

#[test]
fn told_to_stop_thirty_times() -> Result<()> {
    interrupted("stopped", 5, 20_000, |agent| agent.stop([]).map(|_| ()))
}
