//! A state directory that is full, read-only, damaged or of another version: the collector starts, says so, and delivers
//! everything at least once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::body;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::image::WORKLOAD;
use crate::harness::mount::{mount, unmount};
use crate::harness::{self, Agent, Config, Engine, Run, Site, wait};
use crate::lines::assert_same;

/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines of each part of a container's life.
const LINES: u64 = 1000;

/// One collector after another with the same state directory and the same file of records.
struct Succession {
    config: Config,
    state: PathBuf,
    file: Growing,
    arrivals: Arrivals,
    parts: u64,
    name: &'static str,
    _folder: tempfile::TempDir,
}

impl Succession {
    fn new(engine: &Engine, name: &'static str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let records = folder.path().join("records");
        // In the site: what is mounted there is unmounted whatever happens.
        let state = Site::get()?.folder(&format!("state-{name}"))?;
        let sink = format!("f: {{ type: file, path: \"{}\" }}", records.display());
        let config = Config::new(engine).state(&state).sinks(sink);
        let (file, arrivals) = (Growing::new(&records), Arrivals::default());
        Ok(Self { config, state, file, arrivals, parts: 0, name, _folder: folder })
    }

    /// Another part of lines, of a container of the same name that is started again or for the first time.
    fn write(&mut self, engine: &Engine) -> Result<()> {
        if self.parts == 0 {
            let count = LINES.to_string();
            engine.run(Run::host(self.name, &[WORKLOAD, "rated", &count, "0", "41"]))?;
        } else {
            engine.docker(&["start", self.name])?;
            engine.wait(self.name)?;
        }
        self.parts += 1;
        Ok(())
    }

    /// Waits until all parts have arrived, each line once but for duplicates.
    fn deliver(&mut self, agent: &mut Agent) -> Result<()> {
        let Self { file, arrivals, parts, name, .. } = self;
        let wanted = *parts * LINES;
        let all = agent.until("all lines", |_| {
            file.take_into(arrivals)?;
            Ok((arrivals.distinct(name) as u64 >= wanted).then_some(()))
        });
        let part: Vec<_> = (1..=LINES).map(|number| body::line(41, number)).collect();
        assert_same(name, &arrivals.lines(name, "stdout"), &vec![part; *parts as usize].concat());
        all
    }

    /// How many lines came again. There are other tests' containers beside it, whose lines come again as well.
    fn duplicates(&self) -> u64 {
        let lines = self.arrivals.stream(self.name, "stdout").iter();
        lines.filter(|line| !line.is_first).count() as u64
    }

    /// Waits until the newest checkpoint has all lines.
    fn checkpointed(&self, engine: &Engine) -> Result<()> {
        let id = engine.inspect(self.name, ".Id")?;
        let number = format!("\"number\":{},", self.parts * LINES);
        wait::until("a checkpoint", PATIENCE, || {
            let text = std::fs::read_to_string(self.state.join("checkpoint")).unwrap_or_default();
            let has_all = |line: &str| line.contains(&id) && line.contains(&number);
            Ok(text.lines().any(has_all).then_some(()))
        })
    }
}

#[test]
fn full_and_then_not() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut all = Succession::new(&engine, "state-full")?;
    mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &all.state)?;
    let ballast = all.state.join("ballast");
    let filled = std::fs::write(&ballast, vec![0; 2 << 20]);
    assert!(filled.is_err(), "it is not full");
    let mut agent = Agent::start(&all.config)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    agent.until("a word on it", |agent| {
        Ok(agent.said().contains("free space there and make it writable").then_some(()))
    })?;
    assert!(agent.metrics()?.sum("writetap_checkpoint_errors_total", &[]) > 0);
    std::fs::remove_file(&ballast)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    agent.until("checkpoints", |agent| {
        Ok(agent.said().contains("checkpoints are stored again").then_some(()))
    })?;
    all.checkpointed(&engine)?;
    agent.kill()?;
    let mut agent = Agent::start(&all.config)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    agent.stop([])?;
    assert_eq!(all.duplicates(), 0, "all of it was in the checkpoint");
    unmount(&all.state)
}

#[test]
fn read_only() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut all = Succession::new(&engine, "state-read-only")?;
    mount(&["-t", "tmpfs", "tmpfs"], &all.state)?;
    let mut agent = Agent::start(&all.config)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    all.checkpointed(&engine)?;
    agent.stop([])?;
    mount(&["-o", "remount,ro"], &all.state)?;
    for _ in 0..2 {
        all.write(&engine)?;
        let mut agent = Agent::start(&all.config)?;
        all.write(&engine)?;
        all.deliver(&mut agent)?;
        agent.until("a word on it", |agent| {
            Ok(agent.said().contains("Read-only file system").then_some(()))
        })?;
        agent.kill()?;
    }
    // What the first of them delivered came again, and no more.
    assert_eq!(all.duplicates(), 2 * LINES);
    unmount(&all.state)
}

/// Starts a collector after `damage` was done to the checkpoint: all lines come again, and it says why.
fn damaged(name: &'static str, damage: fn(Vec<u8>) -> Vec<u8>, word: &str) -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut all = Succession::new(&engine, name)?;
    let mut agent = Agent::start(&all.config)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    all.checkpointed(&engine)?;
    agent.stop([])?;
    let checkpoint = all.state.join("checkpoint");
    std::fs::write(&checkpoint, damage(std::fs::read(&checkpoint)?))?;
    // There is none yet after the first one.
    let previous = all.state.join("checkpoint.previous");
    if previous.exists() {
        std::fs::remove_file(previous)?;
    }
    all.write(&engine)?;
    let mut agent = Agent::start(&all.config)?;
    all.write(&engine)?;
    all.deliver(&mut agent)?;
    let said = agent.said();
    assert!(said.contains("failed to use checkpoint") && said.contains(word), "{said}");
    let unusable = [("result", "unusable")];
    assert_eq!(agent.metrics()?.sum("writetap_checkpoint_loads_total", &unusable), 1);
    agent.stop([])?;
    assert_eq!(all.duplicates(), LINES, "the first part comes again");
    assert!(all.state.join("checkpoint.unusable").is_file());
    Ok(())
}

#[test]
fn garbage() -> Result<()> {
    damaged("state-garbage", |_| vec![b'#'; 4096], "checksum")
}

#[test]
fn cut_off() -> Result<()> {
    damaged("state-cut-off", |bytes| bytes[..bytes.len() / 2].to_vec(), "checksum")
}

#[test]
fn of_a_newer_version() -> Result<()> {
    let newer = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).replace("_checkpoint\":1", "_checkpoint\":2");
        let end = text.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
        let hash = xxhash_rust::xxh3::xxh3_64(&text.as_bytes()[..end]);
        format!("{}{{\"xxh3\":\"{hash:016x}\"}}\n", &text[..end]).into_bytes()
    };
    damaged("state-newer", newer, "it has format 2")
}
