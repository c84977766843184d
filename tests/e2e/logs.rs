//! Docker rotates the logs of containers that write all the while: no line is missing, and where lines had to be lost, it is
//! known which and how many bytes.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::body;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::docker_log;
use crate::harness::generations::Generations;
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::assert_same;

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

/// Name and options of a log that is rotated every 100 kB.
const ROTATIONS: [(&str, &[&str]); 3] = [
    ("two", &["--log-opt=max-size=100k", "--log-opt=max-file=2"]),
    ("one", &["--log-opt=max-size=100k", "--log-opt=max-file=1"]),
    ("packed", &["--log-opt=max-size=100k", "--log-opt=max-file=3", "--log-opt=compress=true"]),
];

/// One container for each of [`ROTATIONS`] writes `rated LINES RATE`; the collector has each line once, in order. Returns
/// it with its last metrics.
fn rotated(engine: &Engine, config: Config, name: &str, lines: u64, rate: u64) -> Result<Agent> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("records");
    let sink = format!("f: {{ type: file, path: \"{}\" }}", file.display());
    let agent = Agent::start(&config.sinks(sink))?;
    let names = ROTATIONS.map(|(rotation, _)| format!("{name}-{rotation}"));
    let (count, rate) = (lines.to_string(), rate.to_string());
    for ((seed, name), (_, options)) in (0..).zip(&names).zip(ROTATIONS) {
        let seed: u64 = seed;
        let command = [WORKLOAD, "rated", &count, &rate, &seed.to_string()];
        engine.detach(Run { options, ..Run::host(name, &command) })?;
    }
    names.iter().try_for_each(|name| engine.wait(name))?;
    let (mut file, mut arrivals) = (Growing::new(&file), Arrivals::default());
    let wanted = names.iter().map(|name| (name.as_str(), lines));
    let all = arrivals.until(wanted, PATIENCE, |it| file.take_into(it));
    for (seed, name) in (0..).zip(&names) {
        let expected: Vec<_> = (1..=lines).map(|number| body::line(seed, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &expected);
    }
    all?;
    assert_eq!(arrivals.duplicates(), 0);
    Ok(agent)
}

/// Asserts that logs were rotated, and nothing was lost of them.
fn assert_lossless(agent: &Agent) -> Result<()> {
    let metrics = agent.metrics()?;
    let sum = |name: &str| metrics.sum(name, &[]);
    assert!(sum("writetap_tail_rotations_total") > 10, "nothing was rotated");
    assert_eq!(sum("writetap_tail_lost_bytes_total"), 0);
    assert_eq!(sum("writetap_tail_lost_files_total"), 0);
    Ok(())
}

/// As fast as Docker takes it.
#[test]
fn captured_while_logs_are_rotated() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let whole = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
    // Docker may take a second to say who it is, while it writes as fast as it can.
    let address = engine.address();
    let held = format!("docker: {{ address: \"{address}\" }}, hold_bytes_per_container: 32MiB");
    let config = Config::new(&engine).capture(whole).identity(held);
    let agent = rotated(&engine, config, "captured", 40_000, 0)?;
    let metrics = agent.metrics()?;
    assert_eq!(metrics.sum("writetap_lost_bytes_total", &[]), 0);
    agent.stop([])?;
    Ok(())
}

#[test]
fn read_while_logs_are_rotated() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let agent = rotated(&engine, Config::new(&engine).capture("attach: off"), "read", 6000, 600)?;
    assert_lossless(&agent)?;
    agent.stop([])?;
    Ok(())
}

/// A writer whose log is held open file by file, beside a collector that only reads logs.
struct Outrun {
    name: &'static str,
    written: Generations,
}

impl Outrun {
    /// Starts a container that writes `lines` lines, `rate` a second, when it is told to [begin](Self::begin).
    fn prepare(
        engine: &Engine,
        name: &'static str,
        lines: u64,
        rate: u64,
        options: &[&str],
    ) -> Result<Self> {
        let wait = "until [ -e /tmp/begin ]; do sleep 0.05; done";
        let script = format!("{wait}; exec /workload rated {lines} {rate} 5");
        engine.detach(Run { options, ..Run::host(name, &["sh", "-c", &script]) })?;
        let path = engine.inspect(name, ".LogPath")?;
        Ok(Self { name, written: Generations::watch(Path::new(&path))? })
    }

    fn begin(&self, engine: &Engine) -> Result<()> {
        engine.docker(&["exec", self.name, "touch", "/tmp/begin"])?;
        Ok(())
    }
}

/// What became of the entries of a log: of each of its files, how many lines were delivered, and the bytes of the others.
fn account(texts: &[String], delivered: &[Vec<u8>], lines: u64) -> Result<Vec<(usize, u64)>> {
    let all = texts.iter().map(|text| docker_log::entries(text)).collect::<Result<Vec<_>>>()?;
    let line = |text: &[u8]| text.strip_suffix(b"\n").unwrap_or(text).to_vec();
    let written: Vec<_> = all.iter().flatten().map(|(text, _)| line(text)).collect();
    let expected: Vec<_> = (1..=lines).map(|number| body::line(5, number)).collect();
    assert_same("the log's files", &written, &expected);
    let delivered: HashSet<_> = delivered.iter().collect();
    let of_file = |entries: &Vec<(Vec<u8>, u64)>| {
        let (there, missing): (Vec<_>, Vec<_>) =
            entries.iter().partition(|(text, _)| delivered.contains(&line(text)));
        (there.len(), missing.iter().map(|(_, bytes)| bytes).sum())
    };
    Ok(all.iter().map(of_file).collect())
}

/// The sink takes nothing, the buffer is full, and files are deleted that were seen and not read. What is lost is known to
/// the byte.
#[test]
fn a_reader_that_is_held_up_knows_what_it_lost() -> Result<()> {
    const LINES: u64 = 30_000;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let sink = "out: { type: console, format: json, buffer: { max_bytes: 1MiB } }";
    let config = Config::new(&engine).capture("attach: off").tail("max_deleted_files: 2");
    // Nobody takes from this pipe until all is written.
    let (mut output, input) = std::io::pipe()?;
    let mut agent =
        Agent::start_into(&config.sinks(sink), File::from(std::os::fd::OwnedFd::from(input)))?;
    let writer = Outrun::prepare(&engine, "held-up", LINES, 3000, ROTATIONS[0].1)?;
    writer.begin(&engine)?;
    engine.wait(writer.name)?;
    let texts = writer.written.texts()?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut output, &mut text).map(|_| text)
    });
    let end = body::line(5, LINES);
    agent.until("the end of the log", |agent| {
        let metrics = agent.metrics()?;
        let is_idle = metrics.sum("writetap_buffer_held_records", &[]) == 0;
        Ok((is_idle && metrics.sum("writetap_tail_lost_files_total", &[]) > 0).then_some(()))
    })?;
    let metrics = agent.metrics()?;
    agent.stop([])?;
    let records = reader.join().map_err(|_panic| anyhow::anyhow!("the reader panicked"))??;
    let records = harness::record::of_container(&records, writer.name)?;
    let (losses, lines): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.lost_bytes > 0);
    let lines: Vec<_> = lines.iter().map(harness::Record::body).collect::<Result<_>>()?;
    assert_eq!(lines.last(), Some(&end));
    let account = account(&texts, &lines, LINES)?;
    let lost: u64 = account.iter().map(|(_, lost)| lost).sum();
    assert!(lost > 0, "nothing was lost: the test proves nothing");
    let abandoned = [("reason", "abandoned")];
    assert_eq!(metrics.sum("writetap_tail_lost_bytes_total", &abandoned), lost);
    assert_eq!(losses.iter().map(|record| record.lost_bytes).sum::<u64>(), lost);
    let files = account.iter().filter(|(_, lost)| *lost > 0).count();
    assert_eq!(metrics.sum("writetap_tail_lost_files_total", &[]), files as u64);
    Ok(())
}

/// Files come and go while the collector is stopped. Their bytes are not known, and their number is.
#[test]
fn files_that_came_and_went_unseen_are_counted() -> Result<()> {
    const LINES: u64 = 10_000;
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let config = Config::new(&engine).capture("attach: off");
    let mut agent = Agent::start(&config)?;
    let writer = Outrun::prepare(&engine, "unseen-files", LINES, 2000, ROTATIONS[1].1)?;
    writer.begin(&engine)?;
    agent.until_records(writer.name, 1000)?;
    agent.signal(Signal::STOP)?;
    engine.wait(writer.name)?;
    let texts = writer.written.texts()?;
    agent.signal(Signal::CONT)?;
    let last = body::line(5, LINES);
    agent.until("the last line", |agent| {
        let records = agent.records(writer.name)?;
        Ok(records.last().and_then(|it| it.body().ok()).filter(|body| *body == last).map(|_| ()))
    })?;
    let metrics = agent.metrics()?;
    let [records] = agent.stop([writer.name])?;
    let lines = records.iter().map(harness::Record::body).collect::<Result<Vec<_>>>()?;
    let account = account(&texts, &lines, LINES)?;
    // A file is read as a whole or not at all.
    let unseen = account.iter().filter(|(there, _)| *there == 0).count() as u64;
    let parts = account.iter().filter(|(there, lost)| *there > 0 && *lost > 0);
    assert_eq!(parts.count(), 0, "{account:?}");
    assert!(unseen > 0, "nothing was lost: the test proves nothing");
    assert_eq!(metrics.sum("writetap_tail_lost_files_total", &[]), unseen, "{account:?}");
    assert_eq!(metrics.sum("writetap_tail_lost_bytes_total", &[]), 0);
    let expected = format!("0 bytes of {unseen} log files were lost before they were read");
    let said = lines.iter().filter(|line| **line == expected.as_bytes()).count();
    assert_eq!(said, 1, "{account:?}");
    Ok(())
}
