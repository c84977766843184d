//! Without a probe: the same lines from the runtimes' log files, with the same uids, and what can be known of them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::body;
use crate::harness::agent::output;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::image::{BUSYBOX, WORKLOAD};
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::{assert_numbered, assert_same, assert_streams};

/// Nothing is captured.
const OFF: &str = "attach: off";
/// Lines of the comparison of tail and capture.
const LINES: u64 = 1_000_000;
/// How long they may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(3);

/// What json-file makes of bytes: each that is no UTF-8 becomes U+FFFD.
fn as_logged(line: &[u8]) -> Vec<u8> {
    let chunks = line.utf8_chunks();
    let text =
        chunks.map(|chunk| [chunk.valid(), &"\u{fffd}".repeat(chunk.invalid().len())].concat());
    text.collect::<String>().into_bytes()
}

/// A line that is read where others are captured is the same line, by text and by uid.
#[test]
fn tail_equals_capture() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let files = ["captured", "tailed"].map(|name| folder.path().join(name));
    let [captured, tailed] = files.clone().map(|file| {
        let rotate = "rotate: { max_bytes: 0B }";
        format!("f: {{ type: file, path: \"{}\", {rotate} }}", file.display())
    });
    let whole = "ring_bytes: 128MiB, share_bytes_per_second: 128MiB";
    let capturing = Config::new(&engine).sinks(captured).capture(whole);
    let tailing = Config::new(&engine).sinks(tailed).capture(OFF);
    let (mut capturing, mut tailing) = (Agent::start(&capturing)?, Agent::start(&tailing)?);
    engine.run(Run::host("odd", &[WORKLOAD, "odd", &LINES.to_string(), "17"]))?;

    let mut arrivals = [Arrivals::default(), Arrivals::default()];
    for ((agent, arrivals), file) in
        [&mut capturing, &mut tailing].into_iter().zip(&mut arrivals).zip(&files)
    {
        let mut file = Growing::new(file);
        let all = wait::until("all lines", PATIENCE, || {
            file.take_into(arrivals)?;
            Ok((arrivals.distinct("odd") as u64 >= LINES).then_some(()))
        });
        all.with_context(|| agent.said())?;
    }
    let metrics = capturing.metrics()?;
    assert_eq!(metrics.of_container("writetap_lost_bytes_total", "odd"), 0);
    assert_eq!(metrics.sum("writetap_backfilled_lines_total", &[]), 0);
    let metrics = tailing.metrics()?;
    assert_eq!(metrics.sum("writetap_tail_lost_bytes_total", &[]), 0);
    capturing.stop([])?;
    tailing.stop([])?;

    let [captured, tailed] = &arrivals;
    let lines: Vec<_> = (1..=LINES).map(|number| body::odd(17, number)).collect();
    assert_same("captured", &captured.lines("odd", "stdout"), &lines);
    let logged: Vec<_> = lines.iter().map(|line| as_logged(line)).collect();
    assert_same("read", &tailed.lines("odd", "stdout"), &logged);
    let both = captured.stream("odd", "stdout").iter().zip(tailed.stream("odd", "stdout"));
    for ((number, line), (captured, tailed)) in (1..).zip(&lines).zip(both) {
        let is_same = captured.uid == tailed.uid;
        assert!(is_same || std::str::from_utf8(line).is_err(), "the uids of line {number}");
    }
    assert_eq!([captured.duplicates(), tailed.duplicates()], [0, 0]);
    Ok(())
}

/// Containers that were there before, with `start: beginning`, and that end before a reader may have seen them.
#[test]
fn the_same_lines_and_fields() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    // Of its own: all logs of the shared one would take long to read from their beginnings.
    let engine = Engine::start("read")?;
    engine.run(Run::host("read-ended", &[WORKLOAD, "lines", "500", "21"]))?;
    let script =
        "echo early; until [ -e /tmp/begin ]; do usleep 10000; done; echo late; echo err >&2";
    engine.detach(Run::busybox("read-older", &["sh", "-c", script]))?;
    let config = Config::new(&engine).capture(OFF).tail("start: beginning");
    let mut agent = Agent::start(&config)?;
    agent.until_records("read-older", 1)?;
    engine.docker(&["exec", "read-older", "touch", "/tmp/begin"])?;
    engine.run(Run::host("read-new", &[WORKLOAD, "lines", "5000", "22"]))?;
    for _ in 0..5 {
        engine.docker(&["restart", "read-ended"])?;
        engine.wait("read-ended")?;
    }
    let names: Vec<String> = (0..8).map(|number| format!("read-short-{number}")).collect();
    for name in &names {
        engine.run(Run::busybox(name, &["echo", name]))?;
    }
    agent.until_records("read-new", 5000)?;
    agent.until_records("read-older", 3)?;
    agent.until_records("read-ended", 6 * 500)?;
    for name in &names {
        agent.until_records(name, 1)?;
    }
    let ids = ["read-ended", "read-older", "read-new"].map(|name| engine.inspect(name, ".Id"));
    let [ended, older, new, short] =
        agent.stop(["read-ended", "read-older", "read-new", "read-short-7"])?;
    assert_streams(&short, &[b"read-short-7".to_vec()], &[])?;
    assert_streams(&older, &[b"early".to_vec(), b"late".to_vec()], &[b"err".to_vec()])?;
    assert_numbered(&new, 5000, 22)?;
    let every_second = |first: u64| (first..=500).step_by(2).map(|number| body::line(21, number));
    let often = |first: u64| (0..6).flat_map(|_| every_second(first)).collect::<Vec<_>>();
    assert_streams(&ended, &often(1), &often(2))?;
    for (records, id) in [ended, older.clone(), new].iter().zip(ids) {
        let id = id?;
        for record in records {
            assert_eq!((record.mode.as_str(), record.container_id.as_str()), ("tail", &*id));
            assert_eq!(record.runtime.as_deref(), Some("docker"));
            assert_eq!((record.pid, record.tid, record.user), (None, None, None));
            assert!(!record.truncated);
        }
    }
    assert_eq!(older[0].container_name.as_deref(), Some("read-older"));
    assert_eq!(older[0].image.as_deref(), Some(BUSYBOX));
    Ok(())
}

/// What `containers` says of how a container is read.
fn how(engine: &Engine, capture: &str, name: &str) -> Result<String> {
    let config = Config::new(engine).capture(capture);
    let text = config.text("127.0.0.1:0", Path::new("/nonexistent"));
    let output = output(&text, &[], &["containers", "--json"])?;
    let listed = String::from_utf8(output.stdout)?;
    let line = listed.lines().find(|line| line.contains(&format!("\"{name}\"")));
    let listed: Value = serde_json::from_str(line.with_context(|| format!("no `{name}`"))?)?;
    Ok(listed["capture"].as_str().context("no text")?.to_owned())
}

#[test]
fn containers_says_how_each_is_read_and_why() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let drivers = ["json-file", "none", "local"];
    let names = drivers.map(|driver| format!("how-{driver}"));
    for (driver, name) in drivers.iter().zip(&names) {
        engine.detach(Run { driver, ..Run::busybox(name, &["sleep", "600"]) })?;
    }
    let path = engine.inspect(&names[0], ".LogPath")?;
    let local = "Docker's driver `local` is not read; use json-file";
    let expected = [
        (format!("probe, gaps from {path}"), format!("log file {path} (capture.attach is off)")),
        (
            "probe, gaps are lost: it has no log file".into(),
            "not read: capture.attach is off, and it has no log file".into(),
        ),
        (
            format!("probe, gaps are lost: {local}"),
            format!("not read: capture.attach is off, and {local}"),
        ),
    ];
    for (name, (probed, read)) in names.iter().zip(expected) {
        assert_eq!(how(&engine, "", name)?, probed);
        assert_eq!(how(&engine, OFF, name)?, read);
        engine.docker(&["rm", "--force", name])?;
    }
    Ok(())
}

/// Nothing is said to be missing that a reader of log files does without.
#[test]
fn doctor_says_that_all_is_read() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    engine.run(Run::busybox("examined", &["true"]))?;
    let text = Config::new(&engine).capture(OFF).text("127.0.0.1:0", Path::new("/nonexistent"));
    let output = output(&text, &[], &["doctor", "--json"])?;
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let findings = report["findings"].as_array().context("no findings")?;
    let topics: Vec<_> = findings.iter().filter_map(|finding| finding["topic"].as_str()).collect();
    assert_eq!(topics, ["docker", "probe", "log files"]);
    let details: Vec<_> = findings.iter().filter_map(|it| it["detail"].as_str()).collect();
    assert_eq!(details[1], "not attached (`capture.attach: off`)");
    assert!(details[2].ends_with("containers: all lines come from them"), "{}", details[2]);
    Ok(())
}

/// A log that is there already is read from its end, as with a probe.
#[test]
fn from_the_end() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "seq 100; until [ -e /tmp/begin ]; do usleep 10000; done; seq 101 200";
    engine.detach(Run::busybox("read-end", &["sh", "-c", script]))?;
    wait::until("100 lines in the log", PATIENCE, || {
        Ok((engine.docker(&["logs", "read-end"])?.lines().count() == 100).then_some(()))
    })?;
    let mut agent = Agent::start(&Config::new(&engine).capture(OFF))?;
    engine.docker(&["exec", "read-end", "touch", "/tmp/begin"])?;
    agent.until_records("read-end", 100)?;
    let [records] = agent.stop(["read-end"])?;
    let expected: Vec<_> = (101..=200).map(|number: u64| number.to_string().into_bytes()).collect();
    assert_streams(&records, &expected, &[])
}
