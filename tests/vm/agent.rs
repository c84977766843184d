//! The collector itself, the same code that a release is, from the write to the printed record.

use std::env::{current_exe, temp_dir};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use collector::capture::Backend;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::container::{Container, new_id};
use crate::skipped;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// The probe alone, without a runtime and a network: a container goes by its id, and nothing of the machine's is touched.
const PROBE_ALONE: &str = "tail: { enabled: false }\n";
const REST: &str = "state: { directory: off }\n\
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
    /// What it said before it was ready.
    log: String,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // After a test that passed it is gone already.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Agent {
    /// Starts it with a configuration, as a `verb` of this program, and waits until it is ready.
    fn start(verb: &str, config: &str) -> Result<Self> {
        let path = temp_dir().join(format!("{}.yaml", new_id()));
        fs::write(&path, config)?;
        let mut process = Command::new(current_exe()?);
        process.args([verb, "run", "--config"]).arg(&path);
        let process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut agent = Self { process, log: String::new() };
        let log = BufReader::new(agent.process.stderr.take().context("no pipe")?);
        let (lines, said) = sync_channel(LOG_LINES);
        // It reads on when nobody listens any more: the collector must not wait for its log.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _unheard = lines.send(line);
            }
        });
        let end = Instant::now() + PATIENCE;
        while !agent.log.contains(READY) {
            let wait = end.saturating_duration_since(Instant::now());
            let line = said.recv_timeout(wait);
            agent.log += &line.with_context(|| format!("it is not ready: {}", agent.log))?;
        }
        fs::remove_file(path)?;
        Ok(agent)
    }

    /// Waits for so many records, then tells it to stop, upon which it delivers what was written before: all records.
    fn stop(mut self, awaited: usize) -> Result<Vec<String>> {
        let mut lines = BufReader::new(self.process.stdout.take().context("no pipe")?).lines();
        let mut records = lines.by_ref().take(awaited).collect::<Result<Vec<_>, _>>()?;
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        for record in lines {
            records.push(record?);
        }
        let ended = self.process.wait()?;
        ensure!(ended.success(), "the collector ended by {ended}");
        Ok(records)
    }
}

/// Every line of a container comes out once, in order, with the container's id.
pub(crate) fn prints_every_line(stage: &mut Stage) -> Result<Outcome> {
    const LINES: u64 = 500;
    let attach = stage.backend.map_or("auto", Backend::as_str);
    let config = format!("capture: {{ required: true, attach: {attach} }}\n{PROBE_ALONE}{REST}");
    let agent = Agent::start("writetap", &config)?;
    let id = new_id();
    let container = Container::named(&format!("system.slice/docker-{id}.scope"))?;
    container.run(&["dup7", &LINES.to_string()])?;
    let skipped = skipped::count(agent.process.id())?;
    let mut bodies = Vec::new();
    for record in agent.stop(0)? {
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

/// Where no cgroup of version 2 is to be seen, it says so, and what to do; and reads log files.
pub(crate) fn reads_logs_beside_version_1_alone(_stage: &mut Stage) -> Result<Outcome> {
    let (root, id) = (temp_dir().join(new_id()), new_id());
    let directory = root.join("containers").join(&id);
    fs::create_dir_all(&directory)?;
    let line = r#"{"log":"a line\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}"#;
    fs::write(directory.join(format!("{id}-json.log")), format!("{line}\n"))?;
    let tail = format!("tail: {{ start: beginning, docker_root: '{}' }}\n{REST}", root.display());
    let agent = Agent::start("without-version-2", &tail)?;
    for said in ["everything is read from log files: no cgroups of version 2", "backend=\"none\""] {
        ensure!(agent.log.contains(said), "it does not say \"{said}\": {}", agent.log);
    }
    // It listens to the signal by then.
    let records = agent.stop(1)?;
    let [record] = &records[..] else { bail!("not one record: {records:?}") };
    ensure!(body_of(record, &id)?.as_deref() == Some("a line"), "another record: {record}");
    let doctor = Command::new(current_exe()?).args(["without-version-2", "doctor"]).output()?;
    let found = String::from_utf8_lossy(&doctor.stdout);
    for said in ["only version 1 is mounted", "systemd.unified_cgroup_hierarchy=1"] {
        ensure!(found.contains(said), "the doctor does not say \"{said}\": {found}");
    }
    ensure!(doctor.status.code() == Some(1), "the doctor found nothing: {}", doctor.status);
    fs::remove_dir_all(root)?;
    Ok(Outcome::Passed(String::new()))
}

/// The body of a record, if it is one of this container.
fn body_of(line: &str, id: &str) -> Result<Option<String>> {
    let record: Value = serde_json::from_str(line)?;
    let body = record["body"].as_str().context("a record without a body")?;
    Ok((record["container.id"] == id).then(|| body.to_owned()))
}
