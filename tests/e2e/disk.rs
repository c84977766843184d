//! A buffer on disk: what was captured and stands nowhere else outlives an outage of Kafka and the collector's death; and
//! disks that rot, are full, or cannot be written.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::body;
use crate::harness::arrivals::{Arrivals, Following, Growing};
use crate::harness::image::WORKLOAD;
use crate::harness::mount::{mount, unmount};
use crate::harness::{self, Agent, Broker, Config, Engine, Run, Site, wait};
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
    let wanted = names.map(|name| (name, LINES));
    let all = arrivals.until(wanted, PATIENCE, |it| topic.take_into(it));
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

/// A Kafka sink whose buffer is in this directory.
fn kafka_sink(broker: &Broker, topic: &str, directory: &Path) -> String {
    let (address, directory) = (broker.address(), directory.display());
    let buffer = format!("{{ type: disk, segment_bytes: 1MiB, directory: \"{directory}\" }}");
    format!("k: {{ type: kafka, brokers: [\"{address}\"], topic: {topic}, buffer: {buffer} }}")
}

/// The segments of a buffer, oldest first.
fn segments(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        segments.push(entry?.path());
    }
    segments.retain(|path| path.extension().is_some_and(|it| it == "segment"));
    segments.sort();
    Ok(segments)
}

/// A bit of a segment flips while nobody looks: what that frame held is missing, in one piece of each container, and nothing
/// else; it is said, and counted.
#[test]
fn a_segment_that_rots() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("rotten")? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("buffer");
    let sink = kafka_sink(&broker, "rotten", &directory);
    let whole = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
    let config = Config::new(&engine).state(folder.path()).capture(whole).sinks(sink);
    let names = ["rotten-0", "rotten-1"];
    let mut agent = Agent::start_unready(&config)?;
    write(&engine, &mut agent, &[(0, names[0]), (1, names[1])])?;
    agent.kill()?;

    let segments = segments(&directory)?;
    let rotten = segments.get(segments.len() / 2).context("no segment")?;
    let mut bytes = std::fs::read(rotten)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(rotten, bytes)?;

    broker.start()?;
    let mut agent = Agent::start(&config)?;
    let command = [WORKLOAD, "rated", "100", "0", "2"];
    engine.run(Run { driver: "none", ..Run::host("rotten-last", &command) })?;
    let (mut topic, mut arrivals) = (Following::new(&broker, "rotten")?, Arrivals::default());
    wait::until("the last lines", PATIENCE, || {
        topic.take_into(&mut arrivals)?;
        Ok((arrivals.distinct("rotten-last") == 100).then_some(()))
    })?;
    let mut missing = 0;
    for (seed, name) in (0..).zip(names) {
        let found = arrivals.lines(name, "stdout");
        let expected: Vec<_> = (1..=LINES).map(|number| body::line(seed, number)).collect();
        let before = found.iter().zip(&expected).take_while(|(one, other)| one == other).count();
        let gap = expected.len() - found.len();
        assert_same(name, &found[before..], &expected[before + gap..]);
        missing += gap;
    }
    assert!(missing > 0, "nothing is missing: the test proves nothing");
    assert_eq!(arrivals.duplicates(), 0);
    let metrics = agent.metrics()?;
    assert_eq!(metrics.sum("writetap_buffer_corrupt_frames_total", &[]), 1);
    let corrupt = metrics.sum("writetap_buffer_corrupt_bytes_total", &[]);
    eprintln!("{missing} of {} lines were in {corrupt} corrupt bytes", 2 * LINES);
    let said = agent.said();
    assert_eq!(said.matches("a damaged part of the disk buffer is lost").count(), 1, "{said}");
    agent.until("room", |agent| {
        Ok((agent.metrics()?.sum("writetap_buffer_disk_bytes", &[]) < 2 << 20).then_some(()))
    })?;
    agent.stop([])?;
    Ok(())
}

/// The disk is full while nobody takes what waits: memory fills up, then the log is behind, and nothing is lost. It is said
/// once, and goes on when there is room.
#[test]
fn a_disk_that_is_full() -> Result<()> {
    const FLOOD_LINES: u64 = 600_000;
    const MOST_BYTES: u64 = 400 << 20;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let (folder, disk) = (tempfile::tempdir()?, Site::get()?.folder("full")?);
    mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &disk)?;
    let directory = disk.join("buffer");
    let buffer = format!("{{ type: disk, directory: \"{}\" }}", directory.display());
    let sink = format!("out: {{ type: console, format: json, buffer: {buffer} }}");
    let config = Config::new(&engine).state(folder.path()).sinks(sink);
    // Nobody takes from this pipe until all is written.
    let (mut output, input) = std::io::pipe()?;
    let mut agent = Agent::start_into(&config, File::from(OwnedFd::from(input)))?;
    engine.run(Run::host("full", &[WORKLOAD, "flood", &(FLOOD_LINES * 100).to_string()]))?;
    agent.until("memory to be full", |agent| {
        Ok((agent.metrics()?.sum("writetap_buffer_held_bytes", &[]) > 60 << 20).then_some(()))
    })?;
    assert!(agent.metrics()?.sum("writetap_buffer_disk_errors_total", &[]) > 0);
    mount(&["-o", "remount,size=512m"], &disk)?;
    agent.until("memory to be on disk", |agent| {
        Ok((agent.metrics()?.sum("writetap_buffer_disk_bytes", &[]) > 8 << 20).then_some(()))
    })?;
    let path = folder.path().join("records");
    let mut records = File::create(&path)?;
    let taker = std::thread::spawn(move || std::io::copy(&mut output, &mut records));
    let (mut file, mut arrivals) = (Growing::new(&path), Arrivals::default());
    let all = arrivals.until([("full", FLOOD_LINES)], PATIENCE, |it| file.take_into(it));
    let expected: Vec<_> = (1..=FLOOD_LINES).map(body::flood_line).collect();
    assert_same("full", &arrivals.lines("full", "stdout"), &expected);
    all?;
    assert_eq!(arrivals.duplicates(), 0);
    let (peak, said) = (agent.peak_bytes()?, agent.said());
    let metrics = agent.metrics()?;
    assert_eq!(said.matches("the disk buffer cannot be written").count(), 1, "{said}");
    assert_eq!(metrics.sum("writetap_buffer_dropped_records_total", &[]), 0);
    let filled = metrics.sum("writetap_backfilled_lines_total", &[]);
    eprintln!("at most {} MiB of memory, {filled} lines from the log", peak >> 20);
    assert!(peak < MOST_BYTES, "{peak} bytes of memory");
    agent.stop([])?;
    taker.join().map_err(|_panic| anyhow!("the taker panicked"))??;
    unmount(&disk)
}

/// A disk that became read-only: what is on it is delivered, what is new goes through memory, and it is used again once it is
/// well.
#[test]
fn a_disk_that_is_read_only() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker_to_start("read-only")? else {
        return Ok(());
    };
    let (folder, disk) = (tempfile::tempdir()?, Site::get()?.folder("read-only-disk")?);
    mount(&["-t", "tmpfs", "tmpfs"], &disk)?;
    let sink = kafka_sink(&broker, "read-only", &disk.join("buffer"));
    let whole = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
    let config = Config::new(&engine).state(folder.path()).capture(whole).sinks(sink);
    let names = ["read-only-0", "read-only-1", "read-only-2"];
    let mut agent = Agent::start_unready(&config)?;
    write(&engine, &mut agent, &[(0, names[0])])?;
    agent.kill()?;
    mount(&["-o", "remount,ro"], &disk)?;
    broker.start()?;

    let (mut topic, mut arrivals) = (Following::new(&broker, "read-only")?, Arrivals::default());
    let count = LINES.to_string();
    for (seed, name) in (0_u64..).zip(names).skip(1) {
        let mut agent = Agent::start(&config)?;
        let command = [WORKLOAD, "rated", &count, "0", &seed.to_string()];
        engine.run(Run { driver: "none", ..Run::host(name, &command) })?;
        arrivals.until([(name, LINES)], PATIENCE, |it| topic.take_into(it))?;
        if seed == 1 {
            agent.until("a word on it", |agent| {
                Ok(agent.said().contains("the disk buffer cannot be written").then_some(()))
            })?;
            assert_eq!(agent.said().matches("the disk buffer cannot be written").count(), 1);
            assert!(agent.metrics()?.sum("writetap_buffer_disk_errors_total", &[]) > 0);
            mount(&["-o", "remount,rw"], &disk)?;
        }
        agent.stop([])?;
    }
    for (seed, name) in (0..).zip(names) {
        let expected: Vec<_> = (1..=LINES).map(|number| body::line(seed, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &expected);
    }
    eprintln!("{} duplicates of {}", arrivals.duplicates(), 3 * LINES);
    unmount(&disk)
}
