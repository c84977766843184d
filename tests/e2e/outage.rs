//! Kafka dies, stutters or refuses: nothing is missing, memory stays bounded, and what is refused for good is kept aside.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;

use crate::body;
use crate::harness::arrivals::{Arrivals, Following};
use crate::harness::gate::Gate;
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Run, topic, wait};
use crate::lines::assert_same;

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(3);
/// The most memory of a collector with a ring of 4 MiB and a buffer of 4 MiB.
const MOST_BYTES: u64 = 160 << 20;

/// First the broker answers by fits and starts, then it dies, until the buffer and the ring are full and lines are lost there;
/// these come from the log files. The second sink does not wait for the first longer than its buffer lasts.
#[test]
fn a_broker_that_stutters_and_dies() -> Result<()> {
    const LINES: u64 = 40_000;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("outage")? else {
        return Ok(());
    };
    broker.start()?;
    let address = broker.address();
    let sink = format!(
        "k: {{ type: kafka, brokers: [\"{address}\"], topic: outage, buffer: {{ max_bytes: 4MiB }} }}"
    );
    let config = Config::new(&engine).capture("ring_bytes: 4MiB").sinks(sink);
    let mut agent = Agent::start(&config)?;
    let gate = Gate::closed()?;
    let names = [0, 1, 2, 3].map(|number| format!("outage-{number}"));
    for (seed, name) in names.iter().enumerate() {
        let script = Gate::before(&format!("{WORKLOAD} rated {LINES} 2000 {seed}"));
        let command = ["sh", "-c", &script];
        engine.detach(Run { options: &[gate.mount()], ..Run::host(name, &command) })?;
    }
    gate.open()?;
    for _ in 0..5 {
        broker.signal(Signal::STOP)?;
        thread::sleep(Duration::from_millis(700));
        broker.signal(Signal::CONT)?;
        thread::sleep(Duration::from_millis(300));
    }
    broker.kill()?;
    agent.until("a loss", |agent| {
        Ok((agent.metrics()?.sum("writetap_lost_bytes_total", &[]) > 0).then_some(()))
    })?;
    broker.start()?;
    names.iter().try_for_each(|name| engine.wait(name))?;
    let (mut topic, mut arrivals) = (Following::new(&broker, "outage")?, Arrivals::default());
    let wanted = names.iter().map(|name| (name.as_str(), LINES));
    let all = arrivals.until(wanted, PATIENCE, |it| topic.take_into(it));
    for (seed, name) in (0..).zip(&names) {
        let expected: Vec<_> = (1..=LINES).map(|number| body::line(seed, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &expected);
    }
    all?;
    let metrics = agent.metrics()?;
    assert_eq!(metrics.sum("writetap_sink_dropped_records_total", &[]), 0);
    assert_eq!(metrics.sum("writetap_buffer_dropped_records_total", &[]), 0);
    let peak = agent.peak_bytes()?;
    eprintln!("{} duplicates, at most {} MiB", arrivals.duplicates(), peak >> 20);
    assert!(peak < MOST_BYTES, "{peak} bytes of memory");
    agent.stop([])?;
    Ok(())
}

#[test]
fn a_topic_that_refuses_what_is_too_large() -> Result<()> {
    const LINES: usize = 300;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    // Others' lines, of which there may be many, go elsewhere: into this topic each of them goes alone.
    topic::create(broker, "small-large", &[("max.message.bytes", "2000")])?;
    let folder = tempfile::tempdir()?;
    let letters = folder.path().join("letters");
    let (address, path) = (broker.address(), letters.display());
    let sink = format!(
        "k: {{ type: kafka, brokers: [\"{address}\"], topic: \"small-{{{{ name }}}}\", dead_letter: {{ path: \"{path}\" }} }}"
    );
    let agent = Agent::start(&Config::new(&engine).sinks(sink))?;
    let script = "seq 1 300 | awk '{ s = $1; if ($1 % 7 == 0) for (i = 0; i < 500; i++) s = s \" long\"; print s }'";
    engine.run(Run::busybox("large", &["sh", "-c", script]))?;
    let mut agent = agent;
    let large = LINES / 7;
    let small = LINES - large;
    let (mut topic, mut arrivals) = (Following::new(broker, "small-large")?, Arrivals::default());
    agent.until("all lines", |agent| {
        topic.take_into(&mut arrivals)?;
        let metrics = agent.metrics()?;
        let kept = metrics.sum("writetap_sink_dead_letters_total", &[("reason", "too_large")]);
        Ok((arrivals.distinct("large") == small && kept == large as u64).then_some(()))
    })?;
    let dropped = agent.metrics()?.sum("writetap_sink_dropped_records_total", &[]);
    assert_eq!(dropped, 0);
    agent.stop([])?;
    let (refused, taken): (Vec<usize>, Vec<usize>) = (1..=LINES).partition(|it| it % 7 == 0);
    // What a refused batch had is sent again, alone, after what was on its way already.
    let mut arrived = Vec::new();
    for line in arrivals.lines("large", "stdout") {
        arrived.push(std::str::from_utf8(&line)?.parse::<usize>()?);
    }
    arrived.sort_unstable();
    assert_eq!(arrived, taken);
    let text = std::fs::read_to_string(&letters)?;
    let letters: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(letters.len(), large);
    for (letter, number) in letters.iter().zip(refused) {
        let body = letter["body"].as_str().context("no body")?;
        assert_eq!(body, format!("{number}{}", " long".repeat(500)));
        assert_eq!(letter["dead_letter.reason"], "too_large");
        assert_eq!(letter["dead_letter.topic"], "small-large");
        assert_eq!(letter["container.name"], "large");
    }
    Ok(())
}
