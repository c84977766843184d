//! The collector itself, the same code that a release is, from the write to the printed record.

use std::env::{current_exe, temp_dir};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use collector::capture::Backend;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::container::{Container, new_id};
use crate::skipped;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// The probe alone, without a runtime and a network: a container goes by its id, and nothing of the machine's is touched.
const CONFIG: &str = "tail: { enabled: false }\n\
                      state: { directory: off }\n\
                      identity: { docker: { enabled: off }, hold_timeout: 0s }\n\
                      sinks: { out: { type: console, format: json } }\n\
                      admin: { listen: off }\n";

/// What it says on stderr once it captures.
const READY: &str = "collecting";
/// How long that may take where the CPU is emulated, and busy.
const PATIENCE: Duration = Duration::from_mins(2);
/// Lines of its log that wait for their reader.
const LOG_LINES: usize = 16;

/// A collector, which ends with its test.
struct Agent {
    process: Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // After a test that passed it is gone already.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Agent {
    /// Starts it, and waits until it captures.
    fn start(backend: Option<Backend>) -> Result<Self> {
        let config = temp_dir().join(format!("{}.yaml", new_id()));
        let attach = backend.map_or("auto", Backend::as_str);
        fs::write(&config, format!("capture: {{ required: true, attach: {attach} }}\n{CONFIG}"))?;
        let mut process = Command::new(current_exe()?);
        process.args(["writetap", "run", "--config"]).arg(&config);
        let process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut agent = Self { process };
        let log = BufReader::new(agent.process.stderr.take().context("no pipe")?);
        let (lines, said) = sync_channel(LOG_LINES);
        // It reads on when nobody listens any more: the collector must not wait for its log.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _unheard = lines.send(line);
            }
        });
        let end = Instant::now() + PATIENCE;
        let mut log = String::new();
        while !log.contains(READY) {
            let wait = end.saturating_duration_since(Instant::now());
            let line = said.recv_timeout(wait);
            log += &line.with_context(|| format!("the collector is not ready: {log}"))?;
        }
        fs::remove_file(config)?;
        Ok(agent)
    }

    /// Tells it to stop, upon which it delivers what was written before: all records.
    fn stop(mut self) -> Result<Vec<String>> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let records = self.process.stdout.take().context("no pipe")?;
        let records = BufReader::new(records).lines().collect::<Result<_, _>>()?;
        let ended = self.process.wait()?;
        ensure!(ended.success(), "the collector ended by {ended}");
        Ok(records)
    }
}

/// Every line of a container comes out once, in order, with the container's id.
pub(crate) fn prints_every_line(stage: &mut Stage) -> Result<Outcome> {
    const LINES: u64 = 500;
    let agent = Agent::start(stage.backend)?;
    let id = new_id();
    let container = Container::named(&format!("system.slice/docker-{id}.scope"))?;
    container.run(&["dup7", &LINES.to_string()])?;
    let skipped = skipped::count(agent.process.id())?;
    let mut bodies = Vec::new();
    for record in agent.stop()? {
        bodies.extend(body_of(&record, &id)?);
    }
    if let Some(gap) = skipped::gap(stage.backend, LINES, bodies.len() as u64, skipped)? {
        return Ok(gap);
    }
    let lines = (1..=LINES).map(|number| body::line(1, number));
    let expected: Vec<_> = lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect();
    ensure!(bodies == expected, "other lines: {bodies:?}");
    Ok(Outcome::Passed(format!("{LINES} lines")))
}

/// The body of a record, if it is one of this container.
fn body_of(line: &str, id: &str) -> Result<Option<String>> {
    let record: Value = serde_json::from_str(line)?;
    let body = record["body"].as_str().context("a record without a body")?;
    Ok((record["container.id"] == id).then(|| body.to_owned()))
}
