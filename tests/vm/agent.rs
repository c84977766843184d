//! The collector itself, the same code that a release is, from the write to the printed record.

use std::env::{current_exe, temp_dir};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::container::{Container, new_id};
use crate::skipped;
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// No runtime and no network: a container goes by its id.
const CONFIG: &str = "identity: { docker: { enabled: off }, hold_timeout: 0s }\n\
                      sinks: { out: { type: console, format: json } }\n\
                      admin: { listen: off }\n";

/// What it says on stderr once it captures.
const READY: &str = "capturing";

/// Every line of a container comes out once, in order, with the container's id.
pub(crate) fn prints_every_line(_: &mut Stage) -> Result<Outcome> {
    const LINES: u64 = 500;
    let config = temp_dir().join(format!("{}.yaml", new_id()));
    fs::write(&config, CONFIG)?;
    let mut agent = Command::new(current_exe()?)
        .args(["writetap", "run", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut log = BufReader::new(agent.stderr.take().context("no pipe")?);
    let mut said = String::new();
    while !said.contains(READY) {
        let length = log.read_line(&mut said)?;
        ensure!(length > 0, "the collector ended: {said}");
    }
    let id = new_id();
    let container = Container::named(&format!("system.slice/docker-{id}.scope"))?;
    container.run(&["dup7", &LINES.to_string()])?;
    let skipped = skipped::count(agent.id())?;
    // Told to stop, it delivers what was written before.
    kill_process(Pid::from_child(&agent), Signal::TERM)?;
    let mut bodies = Vec::new();
    for line in BufReader::new(agent.stdout.take().context("no pipe")?).lines() {
        bodies.extend(body_of(&line?, &id)?);
    }
    let ended = agent.wait()?;
    fs::remove_file(config)?;
    ensure!(ended.success(), "the collector ended by {ended}");
    if let Some(gap) = skipped::gap(LINES, bodies.len() as u64, skipped)? {
        return Ok(gap);
    }
    let expected: Vec<String> =
        (1..=LINES).map(|number| String::from_utf8_lossy(&body::line(1, number)).into()).collect();
    ensure!(bodies == expected, "other lines: {bodies:?}");
    Ok(Outcome::Passed(format!("{LINES} lines")))
}

/// The body of a record, if it is one of this container.
fn body_of(line: &str, id: &str) -> Result<Option<String>> {
    let record: Value = serde_json::from_str(line)?;
    let body = record["body"].as_str().context("a record without a body")?;
    Ok((record["container.id"] == id).then(|| body.to_owned()))
}
