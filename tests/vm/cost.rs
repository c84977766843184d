//! What a probe adds to calls: printed, not judged, for no two machines agree on it.

use std::env::current_exe;
use std::io::pipe;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::container::{Container, finish};
use crate::stage::{Outcome, Stage};

/// With no probe.
pub(crate) fn without_a_probe(_stage: &mut Stage) -> Result<Outcome> {
    measure()
}

/// With the probe of a backend.
pub(crate) fn of_the_probe(stage: &mut Stage) -> Result<Outcome> {
    stage.observer()?;
    measure()
}

/// Nanoseconds per call.
fn measure() -> Result<Outcome> {
    // Who writes reads it as well.
    let (_reader, stdout) = pipe()?;
    let mut outside = Command::new(current_exe()?);
    outside.args(["workload", "timed"]).stdout(stdout.try_clone()?).stderr(Stdio::piped());
    let outside = finish(outside.spawn()?)?;
    let container = Container::new()?;
    let inside = finish(container.start(&["timed"], [stdout.into(), Stdio::piped()])?)?;
    let [other_call, _, elsewhere, _] = numbers(&outside.stderr)?;
    let [_, other_file, line_100, line_1000] = numbers(&inside.stderr)?;
    let nanos = json!({
        "other_call": other_call,
        "elsewhere": elsewhere,
        "other_file": other_file,
        "line_100": line_100,
        "line_1000": line_1000,
    });
    Ok(Outcome::Passed(nanos.to_string()))
}

fn numbers(text: &[u8]) -> Result<[u64; 4]> {
    let text = String::from_utf8_lossy(text);
    let numbers: Vec<u64> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let numbers = numbers.try_into().ok().context("not four numbers")?;
    ensure!(numbers != [0; 4], "no time has gone by");
    Ok(numbers)
}
