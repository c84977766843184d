//! A buffer on disk: what was captured and stands nowhere else outlives an outage of Kafka and the collector's death.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::body;
use crate::harness::arrivals::{Arrivals, Following};
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::assert_same;

/// Lines of each container.
const LINES: u64 = 10_000;
/// How long they may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);
/// As long as nothing is added to it, all that waited for the disk is there: ten times `sync_interval`.
const STILL: Duration = Duration::from_secs(1);

/// Containers whose lines no file has write, one after the other; then all of it is on disk.
fn write(engine: &Engine, agent: &mut Agent, names: &[(u64, &str)]) -> Result<()> {
    let before = agent.metrics()?.sum("writetap_lines_total", &[]);
    for (seed, name) in names {
        let command = [WORKLOAD, "rated", &LINES.to_string(), "0", &seed.to_string()];
        engine.run(Run { driver: "none", ..Run::host(name, &command) })?;
    }
    let wanted = before + names.len() as u64 * LINES;
    let mut last = (0, Instant::now());
    agent.until("all lines to be on disk", |agent| {
        let metrics = agent.metrics()?;
        let bytes = metrics.sum("writetap_buffer_disk_bytes", &[]);
        if bytes != last.0 {
            last = (bytes, Instant::now());
        }
        let has_all = metrics.sum("writetap_lines_total", &[]) >= wanted;
        Ok((has_all && bytes > 0 && last.1.elapsed() >= STILL).then_some(()))
    })
}

#[test]
fn killed_twice_while_kafka_is_away() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("disk")? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let (address, buffer) = (broker.address(), "{ type: disk, segment_bytes: 1MiB }");
    let sink =
        format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: disk, buffer: {buffer} }}");
    let whole = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
    let config = Config::new(&engine).state(folder.path()).capture(whole).sinks(sink);
    let names = ["disk-0", "disk-1", "disk-2", "disk-3"];
    let [first, second, third, _] = [0, 1, 2, 3].map(|seed| (seed as u64, names[seed]));
    let mut agent = Agent::start_unready(&config)?;
    write(&engine, &mut agent, &[first, second])?;
    agent.kill()?;
    let mut agent = Agent::start_unready(&config)?;
    write(&engine, &mut agent, &[third])?;
    agent.kill()?;
    broker.start()?;
    let mut agent = Agent::start(&config)?;
    let command = [WORKLOAD, "rated", &LINES.to_string(), "0", "3"];
    engine.run(Run { driver: "none", ..Run::host(names[3], &command) })?;

    let (mut topic, mut arrivals) = (Following::new(&broker, "disk")?, Arrivals::default());
    let all = wait::until("all lines", PATIENCE, || {
        topic.take_into(&mut arrivals)?;
        let has_all = |name: &&str| arrivals.distinct(name) as u64 >= LINES;
        Ok(names.iter().all(has_all).then_some(()))
    });
    for (seed, name) in (0..).zip(names) {
        let expected: Vec<_> = (1..=LINES).map(|number| body::line(seed, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &expected);
    }
    all?;
    // The older first.
    let ends = names.map(|name| arrivals.stream(name, "stdout").first().map(|first| first.at));
    ensure!(ends.is_sorted(), "out of order: {ends:?}");
    assert_eq!(arrivals.duplicates(), 0, "nobody had taken any of it");
    let replayed = agent.metrics()?.sum("writetap_buffer_replayed_records_total", &[]);
    assert_eq!(replayed, 3 * LINES);
    agent.until("room", |agent| {
        Ok((agent.metrics()?.sum("writetap_buffer_disk_bytes", &[]) < 2 << 20).then_some(()))
    })?;
    agent.stop([])?;
    Ok(())
}
