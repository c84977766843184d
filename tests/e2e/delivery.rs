//! From a container's write(2) to Kafka: each line once, as it was written, in the order of its writer.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::body;
use crate::harness::image::{HOST, WORKLOAD};
use crate::harness::{self, Agent, Broker, Config, Record, Run, topic};
use crate::lines::{assert_numbered, assert_same, assert_streams};

/// Lines of each container of the main test.
const LINES: u64 = 200_000;
/// How long they may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the topic of a container holds when there are `count` records.
fn delivered(broker: &Broker, container: &str, count: u64) -> Result<Vec<Record>> {
    let values = topic::read(broker, &format!("logs-{container}"), count as usize, PATIENCE)?;
    values.iter().map(|value| Record::parse(value)).collect()
}

/// Asserts that the records are the lines of `lines COUNT SEED`: each once, in order, and by one writer.
#[track_caller]
fn assert_once(records: &[Record], count: u64, seed: u64) -> Result<()> {
    assert_numbered(records, count, seed)?;
    let uids: HashSet<&str> = records.iter().map(|record| record.uid.as_str()).collect();
    assert_eq!(uids.len() as u64, count, "uids are unique");
    Ok(())
}

/// Asserts that each record names the container that wrote it, and its main process.
#[track_caller]
fn assert_attributes(records: &[Record], name: &str, id: &str) -> Result<()> {
    let pid = records.first().context("no records")?.pid;
    assert!(pid.is_some());
    for record in records {
        assert_eq!(record.container_name.as_deref(), Some(name));
        assert_eq!(record.container_id, id);
        assert_eq!(record.image.as_deref(), Some(HOST));
        assert_eq!(record.runtime.as_deref(), Some("docker"));
        assert_eq!(record.mode, "ebpf");
        assert_eq!((record.pid, record.tid), (pid, pid));
        assert_eq!(record.user, Some(0));
        assert_eq!(record.comm.as_deref(), Some("workload"));
        assert!(!record.truncated);
        let Record { timestamp, observed_timestamp, .. } = record;
        assert!(timestamp <= observed_timestamp, "{timestamp}, seen at {observed_timestamp}");
    }
    Ok(())
}

/// 200 000 lines into a topic of the container's name.
fn main_job(driver: &str) -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    // The whole of it fits in the ring: this is about exactness, the benchmarks are about speed.
    let config = Config::new(&engine).capture("ring_bytes: 64MiB, share_bytes_per_second: 64MiB");
    let agent = Agent::start(&config.kafka(broker))?;
    let name = format!("lines-{driver}");
    let count = LINES.to_string();
    let command = [WORKLOAD, "lines", &count, "7"];
    let run = Run { driver, ..Run::host(&name, &command) };
    engine.run(run)?;
    let records = delivered(broker, &name, LINES)?;
    assert_once(&records, LINES, 7)?;
    assert_attributes(&records, &name, &engine.inspect(&name, ".Id")?)?;
    let metrics = agent.metrics()?;
    assert_eq!(metrics.of_container("writetap_captured_writes_total", &name), LINES);
    assert_eq!(metrics.of_container("writetap_lost_writes_total", &name), 0);
    agent.stop([])?;
    assert_eq!(delivered(broker, &name, LINES)?.len() as u64, LINES);
    Ok(())
}

#[test]
fn two_hundred_thousand_lines_of_driver_json_file() -> Result<()> {
    main_job("json-file")
}

#[test]
fn two_hundred_thousand_lines_of_driver_none() -> Result<()> {
    main_job("none")
}

#[test]
fn a_broker_that_comes_late_gets_everything() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("late")? else {
        return Ok(());
    };
    let config = Config::new(&engine).kafka(&broker);
    // The other sink's librdkafka has room for few, and gives them up again and again: the agent holds them.
    let hasty = format!(
        "hasty: {{ type: kafka, brokers: [\"{}\"], topic: \"hasty-{{{{ name }}}}\",
        options: {{ message.timeout.ms: \"500\", queue.buffering.max.messages: \"100\" }} }}",
        broker.address()
    );
    let sinks = format!("{}, {hasty}", config.sinks);
    let mut agent = Agent::start_unready(&config.sinks(sinks))?;
    engine.run(Run::host("late", &[WORKLOAD, "lines", "2000", "3"]))?;
    agent.until("a word on the broker that refuses", |agent| {
        Ok(agent.said().contains(broker.address()).then_some(()))
    })?;
    broker.start()?;
    assert_once(&delivered(&broker, "late", 2000)?, 2000, 3)?;
    agent.stop([])?;
    // In no order: what is sent again comes after what was not given up yet.
    let hasty = topic::read(&broker, "hasty-late", 2000, PATIENCE)?;
    let mut hasty: Vec<_> =
        hasty.iter().map(|value| Record::parse(value)?.body()).collect::<Result<_>>()?;
    let mut expected: Vec<_> = (1..=2000).map(|number| body::line(3, number)).collect();
    hasty.sort();
    expected.sort();
    assert_same("given up by librdkafka", &hasty, &expected);
    Ok(())
}

#[test]
fn a_broker_that_is_killed_gets_everything_in_order() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("killed")? else {
        return Ok(());
    };
    broker.start()?;
    let agent = Agent::start(&Config::new(&engine).kafka(&broker))?;
    engine.detach(Run::host("killed", &[WORKLOAD, "paced", "1000", "5"]))?;
    delivered(&broker, "killed", 100)?;
    broker.kill()?;
    engine.wait("killed")?;
    broker.start()?;
    agent.stop([])?;
    // At least once: what was under way when the broker died may have come twice, with the same uid.
    let mut seen = HashSet::new();
    let mut records = delivered(&broker, "killed", 1000)?;
    records.retain(|record| seen.insert(record.uid.clone()));
    let expected: Vec<_> = (1..=1000).map(|number| body::line(1, number)).collect();
    assert_streams(&records, &expected, &[])
}

/// What was written before SIGTERM is delivered before the end.
#[test]
fn sigterm_drains_into_kafka() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let agent = Agent::start(&Config::new(&engine).kafka(broker))?;
    engine.run(Run::host("drain", &[WORKLOAD, "lines", "5000", "4"]))?;
    agent.stop([])?;
    assert_once(&delivered(broker, "drain", 5000)?, 5000, 4)
}
