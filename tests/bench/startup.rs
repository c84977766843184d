//! How long it takes until it captures.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::DISCARD;
use crate::harness::{self, Agent, Config};
use crate::report::Report;

const ROUNDS: usize = 5;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let engine = harness::engine_alone()?.context("no engine")?;
    let config = Config::new(&engine).sinks(DISCARD);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let agent = Agent::start(&config)?;
        times.push(began.elapsed());
        agent.stop([])?;
    }
    times.sort_unstable();
    report.note("from exec to ready", times[ROUNDS / 2].as_secs_f64() * 1000.0, "ms");
    Ok(())
}
