//! SIGHUP with a good configuration, while lines flow: each line goes to each sink of its time, whole and once.

use std::path::Path;
use std::thread;

use anyhow::Result;

use crate::body;
use crate::harness::docker_log::split;
use crate::harness::image::WORKLOAD;
use crate::harness::record::{bodies, of_container};
use crate::harness::{self, Agent, Config, Record, Run};
use crate::lines::{assert_same, assert_streams};

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
