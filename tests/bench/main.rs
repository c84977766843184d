//! What the README promises of cost, measured on the whole: a real kernel, a real Docker engine, a real Kafka broker. One
//! file for each question.
//!
//! Prints a Markdown table, and adds each row as a line of JSON to `target/tmp/budget.jsonl`, to compare over time.
//! Arguments: a part of a question's name. Needs root.

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod harness;

mod cost;
mod flat;
mod flood;
mod idle;
mod latency;
mod overhead;
mod pace;
mod report;
mod source;
mod startup;
mod tail;
mod usage;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use harness::Config;
use harness::need;
use report::Report;

/// Measures, and says what it found.
type Question = fn(&mut Report) -> Result<()>;

/// In the order of the table.
const QUESTIONS: [(&str, Question); 11] = [
    ("cost-discard", cost::discard),
    ("cost-file", cost::file),
    ("cost-kafka", cost::kafka),
    ("pace", pace::measure),
    ("flat", flat::measure),
    ("flood", flood::measure),
    ("latency", latency::measure),
    ("idle", idle::measure),
    ("overhead", overhead::measure),
    ("startup", startup::measure),
    ("tail", tail::measure),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs benchmarks too, to see that they run: not this one.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    let questions = QUESTIONS.iter().filter(|(name, _)| wanted(name));
    if !need::met(&need::ENGINE)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::default();
    for (name, measure) in questions {
        report.begin(name);
        measure(&mut report).with_context(|| format!("failed to measure `{name}`"))?;
    }
    report.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// A collector whose records go nowhere, and which asks no runtime.
fn alone() -> Config {
    Config {
        capture: String::new(),
        identity: "docker: { enabled: off }".to_owned(),
        tail: "enabled: false".to_owned(),
        state: "directory: off".to_owned(),
        line: String::new(),
        sinks: DISCARD.to_owned(),
    }
}

/// The sink that costs nothing.
const DISCARD: &str = "out: { type: discard }";
