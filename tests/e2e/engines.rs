//! A container or its engine is killed: what the container wrote by then is delivered.

use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::body;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::image::WORKLOAD;
use crate::harness::{self, Agent, Config, Engine, Run, wait};
use crate::lines::assert_same;

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(1);

/// Containers that note how much they wrote, and a collector that writes to a file.
struct Noted {
    folder: tempfile::TempDir,
    agent: Agent,
    names: Vec<String>,
}

impl Noted {
    /// Starts `count` containers that write without end.
    fn start(engine: &Engine, name: &str, drivers: &[&str], count: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let records = folder.path().join("records");
        let sink = format!("f: {{ type: file, path: \"{}\" }}", records.display());
        let capture = "ring_bytes: 64MiB, share_bytes_per_second: 64MiB";
        let agent = Agent::start(&Config::new(engine).capture(capture).sinks(sink))?;
        let names: Vec<_> = (0..count).map(|number| format!("{name}-{number}")).collect();
        let mount = format!("--volume={}:/notes", folder.path().display());
        for ((seed, name), driver) in names.iter().enumerate().zip(drivers.iter().cycle()) {
            let (note, seed) = (format!("/notes/{name}"), seed.to_string());
            let command = [WORKLOAD, "noted", &note, "1500", &seed];
            engine.detach(Run { options: &[&mount], driver, ..Run::host(name, &command) })?;
        }
        Ok(Self { folder, agent, names })
    }

    fn note(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asserts that all that was noted is delivered, and of each container at most one line more.
    fn finish(self) -> Result<()> {
        let (mut file, mut arrivals) =
            (Growing::new(&self.folder.path().join("records")), Arrivals::default());
        let notes = self.names.iter().map(|name| noted(&self.note(name)));
        let notes = notes.collect::<Result<Vec<_>>>()?;
        let wanted = self.names.iter().map(String::as_str).zip(notes.iter().copied());
        let all = arrivals.until(wanted, PATIENCE, |it| file.take_into(it));
        self.agent.stop([])?;
        file.take_into(&mut arrivals)?;
        for ((seed, name), noted) in (0..).zip(&self.names).zip(notes) {
            let lines = arrivals.lines(name, "stdout");
            // It was killed after the write and before the note.
            let written = noted.max((lines.len() as u64).min(noted + 1));
            let expected: Vec<_> = (1..=written).map(|number| body::line(seed, number)).collect();
            assert_same(name, &lines, &expected);
        }
        assert_eq!(arrivals.duplicates(), 0);
        all
    }
}

/// How many lines a container has written, as it noted itself.
fn noted(note: &Path) -> Result<u64> {
    let mut number = [0; 8];
    if let Ok(file) = std::fs::File::open(note) {
        file.read_exact_at(&mut number, 0)?;
    }
    Ok(u64::from_le_bytes(number))
}

/// Waits until every container has written so many lines more.
fn until_written(writers: &Noted, more: u64) -> Result<()> {
    for name in &writers.names {
        let before = noted(&writers.note(name)).unwrap_or_default();
        wait::until(&format!("lines of `{name}`"), PATIENCE, || {
            let now = noted(&writers.note(name)).unwrap_or_default();
            Ok((now >= before + more).then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn containers_removed_while_they_write() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let writers = Noted::start(&engine, "removed", &["json-file", "none"], 8)?;
    until_written(&writers, 100)?;
    thread::scope(|scope| {
        let removers: Vec<_> = writers
            .names
            .iter()
            .map(|name| {
                scope.spawn(|| {
                    let moment = RandomState::new().hash_one(0) % 1000;
                    thread::sleep(Duration::from_millis(moment));
                    engine.docker(&["rm", "--force", name])
                })
            })
            .collect();
        removers.into_iter().try_for_each(|remover| {
            remover.join().map_err(|_panic| anyhow::anyhow!("a remover panicked"))?.map(|_| ())
        })
    })?;
    writers.finish()
}

/// Kills the engine under containers that write, and starts it again.
fn engine_lost(name: &str, is_restoring: bool) -> Result<()> {
    let Some(_turn) = harness::engine_alone()? else {
        return Ok(());
    };
    let engine = Engine::start_restoring(name, is_restoring)?;
    let writers = Noted::start(&engine, name, &["json-file"], 3)?;
    until_written(&writers, 1000)?;
    engine.kill()?;
    // Nobody empties the pipes: containers write until they are full.
    until_written(&writers, 100)?;
    engine.revive()?;
    if is_restoring {
        until_written(&writers, 1000)?;
    }
    for name in &writers.names {
        engine.docker(&["rm", "--force", name])?;
    }
    writers.finish()
}

#[test]
fn an_engine_whose_containers_outlive_it() -> Result<()> {
    engine_lost("live-restore", true)
}

#[test]
fn an_engine_that_ends_its_containers() -> Result<()> {
    engine_lost("no-restore", false)
}
