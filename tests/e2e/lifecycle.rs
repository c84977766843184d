//! Containers that come and go, many at once, and a collector or an engine that is away for a while.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;

use crate::body;
use crate::harness::docker_log::split;
use crate::harness::image::{BUSYBOX, WORKLOAD};
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::{assert_numbered, assert_streams};

/// Containers started at the same time by so many threads.
const STARTERS: usize = 4;

/// Does `each` for every name, some at a time.
fn at_once(names: &[String], each: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let share = names.len().div_ceil(STARTERS);
        let starters: Vec<_> = names
            .chunks(share)
            .map(|names| scope.spawn(|| names.iter().try_for_each(|name| each(name))))
            .collect();
        starters.into_iter().try_for_each(|starter| {
            starter.join().map_err(|_panic| anyhow::anyhow!("a starter panicked"))?
        })
    })
}

#[test]
fn a_hundred_containers_of_one_line_each() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let agent = Agent::start(&Config::new(&engine))?;
    let names: Vec<String> = (0..100).map(|number| format!("one-line-{number:02}")).collect();
    at_once(&names, |name| engine.run_and_remove(Run::busybox(name, &["echo", name])))?;
    let names: [&str; 100] = std::array::from_fn(|number| names[number].as_str());
    for (records, name) in agent.stop(names)?.iter().zip(names) {
        assert_streams(records, &[name.as_bytes().to_vec()], &[])?;
        assert_eq!(records[0].image.as_deref(), Some(BUSYBOX));
    }
    Ok(())
}

#[test]
fn fifty_containers_at_once() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let agent = Agent::start(&Config::new(&engine))?;
    // Each container waits in opening a FIFO for reading, until this process has it open for writing.
    let gate = tempfile::tempdir()?;
    let fifo = gate.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::from(0o644))?;
    let mount = format!("--volume={}:/gate:ro", gate.path().display());
    let names: Vec<String> = (0..50).map(|number| format!("{number}-at-once")).collect();
    let script = "true < /gate/fifo; exec /workload lines 400 ${0%%-*}";
    at_once(&names, |name| {
        let command = ["sh", "-c", script, name];
        engine.detach(Run { options: &[&mount], ..Run::host(name, &command) })
    })?;
    let _open = File::options().read(true).write(true).open(&fifo)?;
    names.iter().try_for_each(|name| engine.wait(name))?;
    let names: [&str; 50] = std::array::from_fn(|number| names[number].as_str());
    for (seed, records) in agent.stop(names)?.iter().enumerate() {
        assert_numbered(records, 400, seed as u64)?;
    }
    Ok(())
}

#[test]
fn containers_that_start_while_the_collector_is_stopped() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    agent.signal(Signal::STOP)?;
    let stopped = Instant::now();
    engine.run(Run::host("unseen-start", &[WORKLOAD, "lines", "2000", "5"]))?;
    engine.run_and_remove(Run::busybox("unseen-life", &["echo", "short"]))?;
    engine.detach(Run::host("unseen-middle", &[WORKLOAD, "paced", "150", "10"]))?;
    let second = Duration::from_secs(1);
    wait::until("a second", second * 2, || Ok((stopped.elapsed() >= second).then_some(())))?;
    agent.signal(Signal::CONT)?;
    engine.wait("unseen-middle")?;
    let [start, life, middle] = agent.stop(["unseen-start", "unseen-life", "unseen-middle"])?;
    assert_numbered(&start, 2000, 5)?;
    assert_streams(&life, &[b"short".to_vec()], &[])?;
    assert_streams(&middle, &split(&body::lines(1, 150)), &[])
}

/// More than the collector takes from the ring at a time is there when it is told to end.
#[test]
fn sigterm_with_a_full_ring() -> Result<()> {
    /// The default of `shutdown.deadline`.
    const DEADLINE: Duration = Duration::from_secs(10);
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    let script = "echo; until [ -e /tmp/begin ]; do sleep 0.1; done; exec /workload lines 20000 7";
    engine.detach(Run::host("full-ring", &["sh", "-c", script]))?;
    agent.until_records("full-ring", 1)?;
    agent.signal(Signal::STOP)?;
    engine.docker(&["exec", "full-ring", "touch", "/tmp/begin"])?;
    engine.wait("full-ring")?;
    agent.signal(Signal::TERM)?;
    agent.signal(Signal::CONT)?;
    let told = Instant::now();
    let [records] = agent.stop(["full-ring"])?;
    assert!(told.elapsed() < DEADLINE, "it took {:?}", told.elapsed());
    assert_numbered(&records[1..], 20_000, 7)
}

#[test]
fn containers_older_than_the_collector() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "until [ -e /tmp/begin ]; do usleep 10000; done; echo out; echo err >&2";
    engine.detach(Run::busybox("older", &["sh", "-c", script]))?;
    let agent = Agent::start(&Config::new(&engine))?;
    engine.docker(&["exec", "older", "touch", "/tmp/begin"])?;
    engine.wait("older")?;
    let [records] = agent.stop(["older"])?;
    assert_streams(&records, &[b"out".to_vec()], &[b"err".to_vec()])
}

#[test]
fn a_container_that_is_started_again() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let agent = Agent::start(&Config::new(&engine))?;
    engine.run(Run::busybox("again", &["sh", "-c", "echo once more"]))?;
    for _ in 0..3 {
        engine.docker(&["start", "again"])?;
        engine.wait("again")?;
    }
    let [records] = agent.stop(["again"])?;
    assert_streams(&records, &vec![b"once more".to_vec(); 4], &[])
}

/// Lines are held until it does, and then have their container's name.
#[test]
fn an_engine_that_answers_late() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("late.sock");
    // Takes connections and says nothing.
    let silent = UnixListener::bind(&socket)?;
    let docker = format!("docker: {{ address: \"unix://{}\" }}", socket.display());
    let config = Config::new(&engine).identity(format!("{docker}, hold_timeout: 1m"));
    let mut agent = Agent::start_unready(&config)?;
    engine.run(Run::host("held", &[WORKLOAD, "lines", "1000", "15"]))?;
    let bytes = body::lines(15, 1000).len() as u64;
    agent.until("all lines to be held", |agent| {
        Ok((agent.metrics()?.sum("writetap_held_bytes", &[]) >= bytes).then_some(()))
    })?;
    std::fs::remove_file(&socket)?;
    let address = engine.address();
    symlink(address.trim_start_matches("unix://"), &socket)?;
    drop(silent);
    agent.until_records("held", 1000)?;
    let [records] = agent.stop(["held"])?;
    assert_numbered(&records, 1000, 15)
}

#[test]
fn an_engine_that_is_killed_and_comes_back() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    let engine = Engine::start("restarted")?;
    let mut agent = Agent::start(&Config::new(&engine))?;
    engine.detach(Run::host("through", &[WORKLOAD, "paced", "300", "10"]))?;
    agent.until_records("through", 20)?;
    engine.kill()?;
    agent.until_records("through", 100)?;
    engine.revive()?;
    engine.run(Run::host("after", &[WORKLOAD, "lines", "100", "6"]))?;
    engine.wait("through")?;
    let [through, after] = agent.stop(["through", "after"])?;
    assert_streams(&through, &split(&body::lines(1, 300)), &[])?;
    assert_numbered(&after, 100, 6)
}
