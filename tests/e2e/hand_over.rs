//! A collector takes over from another one, as in an upgrade, while containers write: nothing is missing.

use std::time::Duration;

use anyhow::Result;

use crate::body;
use crate::harness::arrivals::{Arrivals, Following};
use crate::harness::gate::Gate;
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Run, wait};
use crate::lines::assert_same;

/// Lines of each container.
const LINES: u64 = 15_000;
/// How long they may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn collectors_that_take_over_from_each_other() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let address = broker.address();
    let sink = format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: handed-over }}");
    // Of driver none, only the ring has what is written while one waits for the other.
    let whole = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
    let config = Config::new(&engine).state(folder.path()).capture(whole).sinks(sink);
    let mut agent = Agent::start(&config)?;
    let gate = Gate::closed()?;
    let drivers = ["json-file", "json-file", "json-file", "none", "none", "none"];
    let names = drivers.iter().enumerate().map(|(number, driver)| format!("{driver}-{number}"));
    let names: Vec<_> = names.collect();
    for ((seed, name), driver) in names.iter().enumerate().zip(drivers) {
        let script = Gate::before(&format!("{WORKLOAD} rated {LINES} 1000 {seed}"));
        let command = ["sh", "-c", &script];
        engine.detach(Run { driver, options: &[gate.mount()], ..Run::host(name, &command) })?;
    }
    gate.open()?;
    let (mut topic, mut arrivals) = (Following::new(broker, "handed-over")?, Arrivals::default());
    for _ in 0..3 {
        // Each has something of its own to hand over.
        let before = arrivals.count();
        agent.until("records", |_| {
            topic.take_into(&mut arrivals)?;
            Ok((arrivals.count() > before + 1000).then_some(()))
        })?;
        let next = Agent::take_over(&config)?;
        let status = agent.ended()?;
        assert_eq!(status.code(), Some(0), "{status}");
        agent = next;
    }
    names.iter().try_for_each(|name| engine.wait(name))?;
    let wanted = names.iter().map(|name| (name.as_str(), LINES));
    let all = arrivals.until(wanted, PATIENCE, |it| topic.take_into(it));
    for (seed, name) in (0..).zip(&names) {
        let expected: Vec<_> = (1..=LINES).map(|number| body::line(seed, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &expected);
        let lost = arrivals.stream(name, "stdout").iter().filter(|arrival| arrival.lost_bytes > 0);
        assert_eq!(lost.count(), 0);
    }
    all?;
    agent.stop([])?;
    eprintln!("{} duplicates of {} records", arrivals.duplicates(), arrivals.count());
    Ok(())
}
