//! SIGHUP with a good configuration, while lines flow: each line goes to each sink of its time, whole and once.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::body;
use crate::harness::arrivals::{Arrivals, Following};
use crate::harness::docker_log::split;
use crate::harness::image::WORKLOAD;
use crate::harness::record::{bodies, of_container};
use crate::harness::{self, Agent, Config, Record, Run, wait};
use crate::lines::{assert_same, assert_streams};

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

/// The records of a container in a file and, before them, in those put aside, by age.
fn in_files(path: &Path, container: &str) -> Result<Vec<Record>> {
    let mut text = Vec::new();
    for file in harness::files::by_age(path)? {
        text.extend(harness::files::text(&file)?);
    }
    of_container(&text, container)
}

fn file_sink(path: &Path, rotate: &str) -> String {
    format!("f: {{ type: file, path: \"{}\", rotate: {{ {rotate} }} }}", path.display())
}

/// One after another, each after some more lines: a sink added, lines limited, the file's rotation changed, the sink removed.
#[test]
fn an_unchanged_file_and_sinks_that_come_and_go() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("records.json");
    let console = "out: { type: console, format: json }";
    let (file, rotated) =
        (file_sink(&path, ""), file_sink(&path, "max_bytes: 64KiB, max_files: 0"));
    let config = |sinks: String| Config::new(&engine).sinks(sinks);
    let mut agent = Agent::start(&config(file.clone()))?;
    engine.detach(Run::host("reload", &[WORKLOAD, "paced", "1000", "5"]))?;
    let steps = [
        config(format!("{file}, {console}")),
        config(format!("{file}, {console}")).line("max_bytes: 128KiB"),
        config(format!("{rotated}, {console}")).line("max_bytes: 128KiB"),
        config(rotated).line("max_bytes: 128KiB"),
    ];
    for step in &steps {
        let seen = in_files(&path, "reload")?.len();
        agent.until("more lines", |_| {
            Ok((in_files(&path, "reload")?.len() >= seen + 50).then_some(()))
        })?;
        agent.reconfigure(step)?;
    }
    engine.wait("reload")?;
    let [shown] = agent.stop(["reload"])?;
    let expected = split(&body::lines(1, 1000));
    assert_streams(&in_files(&path, "reload")?, &expected, &[])?;
    assert!(harness::files::by_age(&path)?.len() > 1, "the file was not rotated");
    // The console had the lines from one reload to another.
    let shown = bodies(&shown, "stdout")?;
    assert!(shown.len() >= 100, "{} lines", shown.len());
    let first = expected.iter().position(|line| *line == shown[0]).unwrap_or_default();
    assert_same("console", &shown, &expected[first..first + shown.len()]);
    Ok(())
}

/// A file in the place of another, as fast as the agent takes it, under load: the two files have every line once.
#[test]
fn a_file_in_the_place_of_another_under_load() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let paths = [folder.path().join("a.json"), folder.path().join("b.json")];
    let configs = [0, 1].map(|at| Config::new(&engine).sinks(file_sink(&paths[at], "")));
    let mut agent = Agent::start(&configs[0])?;
    let writer = thread::scope(|scope| -> Result<()> {
        let run = || engine.run(Run::host("swapped", &[WORKLOAD, "lines", "30000", "13"]));
        let writer = scope.spawn(run);
        for turn in 1..=6 {
            agent.reconfigure(&configs[turn % 2])?;
        }
        writer.join().map_err(|_panic| anyhow::anyhow!("the writer panicked"))?
    });
    writer?;
    agent.stop([])?;
    let mut numbers = Vec::new();
    for path in &paths {
        for line in in_files(path, "swapped")?.iter().map(Record::body) {
            numbers.push(line?);
        }
    }
    let mut expected: Vec<_> = (1..=30_000).map(|number| body::line(13, number)).collect();
    numbers.sort();
    expected.sort();
    assert_same("both files", &numbers, &expected);
    Ok(())
}

/// A Kafka sink whose buffer stays as it is.
fn kafka_sink(address: &str, topic: &str) -> String {
    let buffer = "{ type: disk, segment_bytes: 1MiB }";
    format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: {topic}, buffer: {buffer} }}")
}

/// Waits until topics have all lines of a container, in order in each of them.
fn until_all(
    topics: &mut [Following],
    arrivals: &mut [Arrivals],
    (name, seed, lines): (&str, u64, u64),
) -> Result<()> {
    let all = wait::until("all lines", PATIENCE, || {
        for (topic, arrivals) in topics.iter_mut().zip(&mut *arrivals) {
            topic.take_into(arrivals)?;
        }
        let count: usize = arrivals.iter().map(|arrivals| arrivals.distinct(name)).sum();
        Ok((count as u64 >= lines).then_some(()))
    });
    let mut found: Vec<_> =
        arrivals.iter().flat_map(|arrivals| arrivals.lines(name, "stdout")).collect();
    for arrivals in arrivals {
        assert!(arrivals.lines(name, "stdout").is_sorted(), "out of order");
    }
    found.sort();
    let expected: Vec<_> = (1..=lines).map(|number| body::line(seed, number)).collect();
    assert_same(name, &found, &expected);
    all
}

/// Another topic for a sink that keeps its buffer on disk, again and again under load: each line is in one of them, once.
#[test]
fn another_topic_behind_the_same_disk_buffer() -> Result<()> {
    const LINES: u64 = 20_000;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let address = broker.address();
    let names = ["heir-a", "heir-b"];
    let config = |topic: usize| {
        let config = Config::new(&engine).state(folder.path());
        config.sinks(kafka_sink(&address, names[topic]))
    };
    let mut topics = [Following::new(broker, names[0])?, Following::new(broker, names[1])?];
    let mut arrivals = [Arrivals::default(), Arrivals::default()];
    let mut agent = Agent::start(&config(0))?;
    let command = [WORKLOAD, "rated", &LINES.to_string(), "2000", "21"];
    engine.detach(Run { driver: "none", ..Run::host("heir", &command) })?;
    for turn in 1..=6 {
        let topic = turn % 2;
        agent.reconfigure(&config(topic))?;
        let seen = arrivals[topic].count();
        wait::until("more lines", PATIENCE, || {
            topics[topic].take_into(&mut arrivals[topic])?;
            Ok((arrivals[topic].count() >= seen + 100).then_some(()))
        })?;
    }
    engine.wait("heir")?;
    until_all(&mut topics, &mut arrivals, ("heir", 21, LINES))?;
    agent.stop([])?;
    let duplicates: usize = arrivals.iter().map(Arrivals::duplicates).sum();
    assert_eq!(duplicates, 0, "each sink had delivered what it had in hand");
    Ok(())
}

/// The broker was named wrong: what waits on disk goes to the right one after a reload.
#[test]
fn another_broker_for_what_waits_on_disk() -> Result<()> {
    const LINES: u64 = 5000;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let [nobody] = harness::broker::free_addresses()?;
    let config = |address: &str| {
        Config::new(&engine).state(folder.path()).sinks(kafka_sink(address, "heir-waiting"))
    };
    let mut agent = Agent::start_unready(&config(&nobody))?;
    let command = [WORKLOAD, "rated", &LINES.to_string(), "0", "22"];
    engine.run(Run { driver: "none", ..Run::host("heir-waiting", &command) })?;
    agent.until("all lines", |agent| {
        Ok((agent.metrics()?.sum("writetap_lines_total", &[]) >= LINES).then_some(()))
    })?;
    agent.reconfigure(&config(&broker.address()))?;
    let mut topics = [Following::new(broker, "heir-waiting")?];
    let mut arrivals = [Arrivals::default()];
    until_all(&mut topics, &mut arrivals, ("heir-waiting", 22, LINES))?;
    assert_eq!(arrivals[0].duplicates(), 0);
    agent.stop([])?;
    Ok(())
}
