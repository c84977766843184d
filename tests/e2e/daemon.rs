//! What a container's processes put out where nobody reads it is captured when it is asked for, as the stream `daemon`.

use std::collections::HashSet;

use anyhow::Result;

use crate::body;
use crate::harness::docker_log::split;
use crate::harness::image::WORKLOAD;
use crate::harness::metrics::Metrics;
use crate::harness::record::bodies;
use crate::harness::{self, Agent, Config, Engine, Record, Run};
use crate::lines::{assert_same, assert_streams};

const ON: &str = "daemon: { enabled: true }";

/// Written, captured and lost bytes of a container's stream, and as many of its writes.
fn counts(metrics: &Metrics, container: &str, stream: &str) -> [[u64; 3]; 2] {
    let labels = [("container_name", container), ("log_iostream", stream)];
    ["bytes", "writes"].map(|unit| {
        ["written", "captured", "lost"]
            .map(|what| metrics.sum(&format!("writetap_{what}_{unit}_total"), &labels))
    })
}

/// Runs the workload, which puts out `text` where nobody reads it, in `writes` calls, and nothing else.
fn captures(engine: &Engine, run: Run<'_>, text: &[u8], writes: u64) -> Result<Vec<Record>> {
    let mut agent = Agent::start(&Config::new(engine).capture(ON))?;
    engine.run(run)?;
    let lines = split(text);
    agent.until_records(run.name, lines.len())?;
    let bytes = text.len() as u64;
    let metrics = agent.metrics()?;
    assert_eq!(counts(&metrics, run.name, "daemon"), [[bytes, bytes, 0], [writes, writes, 0]]);
    assert_eq!(counts(&metrics, run.name, "stdout"), [[0; 3]; 2]);
    let [records] = agent.stop([run.name])?;
    assert_same("daemon", &bodies(&records, "daemon")?, &lines);
    assert_eq!(records.len(), lines.len(), "lines of other streams");
    let id = engine.inspect(run.name, ".Id")?;
    for record in &records {
        assert_eq!((&record.container_id, record.mode.as_str()), (&id, "ebpf"));
        assert!(!record.truncated && record.lost_bytes == 0, "{record:?}");
    }
    Ok(records)
}

/// Twice forked, in a session of its own, and its stdout is `/dev/null`.
#[test]
fn a_process_that_daemonises() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let command = [WORKLOAD, "nowhere", "null", "daemonise", "200"];
    let run = Run::host("daemonised", &command);
    let records = captures(&engine, run, &body::lines(1, 200), 200)?;
    let pids: HashSet<_> = records.iter().map(|record| record.pid).collect();
    assert_eq!(pids.len(), 1, "one process wrote all of it: {pids:?}");
    assert_eq!(engine.docker(&["logs", "daemonised"])?, "", "Docker has it as well");
    Ok(())
}

#[test]
fn a_pipe_without_a_reader() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let command = [WORKLOAD, "unread", "100"];
    let run = Run { driver: "none", ..Run::host("refused", &command) };
    captures(&engine, run, &body::lines(1, 100), 100)?;
    Ok(())
}

#[test]
fn a_terminal_of_its_own() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let command = [WORKLOAD, "nowhere", "terminal", "once", "shown to nobody"];
    captures(&engine, Run::host("private-terminal", &command), b"shown to nobody\n", 1)?;
    Ok(())
}

/// Who opened a session by `docker exec` reads it, by a pipe or by a terminal. But not what it gives to nobody.
#[test]
fn sessions_from_outside_are_left_alone() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine).capture(ON))?;
    // It is replaced by another program: that is no session from outside.
    let script = format!("exec {WORKLOAD} nowhere terminal idle its-own");
    engine.detach(Run::host("visited", &["sh", "-c", &script]))?;
    for way in [&["exec", "visited"][..], &["exec", "--tty", "visited"]] {
        let shown = engine.docker(&[way, &[WORKLOAD, "once", "shown"]].concat())?;
        assert_eq!(shown.trim_end(), "shown");
    }
    let nobody = [WORKLOAD, "nowhere", "null", "once", "to nobody"];
    engine.docker(&[&["exec", "--tty", "visited"], &nobody[..]].concat())?;
    agent.until_records("visited", 2)?;
    let [records] = agent.stop(["visited"])?;
    // The first is a line only when nobody has continued it for a while.
    let mut lines = bodies(&records, "daemon")?;
    lines.sort_unstable();
    assert_same("daemon", &lines, &[b"its-own".to_vec(), b"to nobody".to_vec()]);
    assert_eq!(records.len(), 2, "lines of other streams");
    Ok(())
}

#[test]
fn it_is_off_unless_asked_for() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    engine.run(Run::host("unasked", &[WORKLOAD, "beside-flood", "10000", "10"]))?;
    let stdout = body::lines(1, 10);
    agent.until_records("unasked", 10)?;
    let metrics = agent.metrics()?;
    assert_eq!(counts(&metrics, "unasked", "daemon"), [[0; 3]; 2]);
    let streams = metrics.values("writetap_written_bytes_total", "log_iostream");
    assert!(!streams.contains("daemon"), "{streams:?}");
    let [records] = agent.stop(["unasked"])?;
    assert_streams(&records, &split(&stdout), &[])
}

/// Each of its writes is captured, or lost to the byte and in its place; its stdout has all of its lines.
#[test]
fn a_flood_is_limited_and_harms_nobody() -> Result<()> {
    const BYTES: u64 = 20_000_000;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let limits = "daemon: { enabled: true, bytes_per_second: 16KiB, burst_bytes: 32KiB }";
    let config = Config::new(&engine).capture(format!("ring_bytes: 1MiB, {limits}"));
    let mut agent = Agent::start(&config)?;
    let flood = BYTES.to_string();
    engine.run(Run::host("nowhere-flood", &[WORKLOAD, "beside-flood", &flood, "1000"]))?;
    let [bytes, writes] = agent.until("the end of the flood", |agent| {
        let counts = counts(&agent.metrics()?, "nowhere-flood", "daemon");
        Ok((counts[0][0] >= BYTES).then_some(counts))
    })?;
    let [written, captured, lost] = bytes;
    assert_eq!((written, writes[0]), (BYTES, BYTES / 100));
    assert_eq!([captured + lost, writes[1] + writes[2]], [written, writes[0]]);
    assert!(lost > BYTES / 2, "the flood was not limited: the test proves nothing");
    let labels = [("container_name", "nowhere-flood"), ("reason", "rate_limited")];
    assert_eq!(agent.metrics()?.sum("writetap_lost_bytes_total", &labels), lost);
    let stdout = body::lines(1, 1000);
    let [records] = agent.stop(["nowhere-flood"])?;
    let (own, nowhere): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.stream != "daemon");
    assert_streams(&own, &split(&stdout), &[])?;
    assert!(own.iter().all(|record| record.mode == "ebpf"), "its log was read");
    assert_eq!(nowhere.iter().map(|record| record.lost_bytes).sum::<u64>(), lost);
    let lines = nowhere.iter().filter(|record| record.lost_bytes == 0);
    assert_eq!(lines.count() as u64, writes[1]);
    Ok(())
}

/// One collector hands over to the next, and that one to one after a crash: no line twice, and only the crash loses some.
#[test]
fn another_collector_goes_on() -> Result<()> {
    const LINES: u64 = 400;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let config = Config::new(&engine).capture(ON).state(folder.path());
    let mut first = Agent::start(&config)?;
    let command = [WORKLOAD, "nowhere", "null", "paced", &LINES.to_string(), "20"];
    engine.detach(Run::host("handed-on", &command))?;
    first.until_records("handed-on", 50)?;
    let mut second = Agent::begin(&config)?;
    second.until("both to capture", |second| {
        Ok(second.said().contains("capturing already").then_some(()))
    })?;
    let [mut records] = first.stop(["handed-on"])?;
    let handed_over = records.len();
    let later = second.until_records("handed-on", 50)?;
    second.kill()?;
    records.extend(later);
    let before_the_crash = bodies(&records, "daemon")?;
    let expected = split(&body::lines(1, records.len() as u64));
    assert_same("until the crash", &before_the_crash, &expected);
    assert!(handed_over >= 50);
    let third = Agent::start(&config)?;
    engine.wait("handed-on")?;
    let [later] = third.stop(["handed-on"])?;
    assert!(!later.is_empty(), "nothing was left after the crash: the test proves nothing");
    let last = bodies(&later, "daemon")?;
    let all = split(&body::lines(1, LINES));
    assert_same("after the crash", &last, &all[all.len() - last.len()..]);
    records.extend(later);
    let uids: HashSet<_> = records.iter().map(|record| &record.uid).collect();
    assert_eq!(uids.len(), records.len(), "two records have one uid");
    assert!(records.iter().all(|record| record.stream == "daemon" && record.mode == "ebpf"));
    Ok(())
}
