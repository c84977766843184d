//! What the probe adds to system calls, in ns: each figure is the median of differences of two neighbouring runs, with
//! and without a collector.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use rustix::process::getppid;

use crate::alone;
use crate::harness::Agent;
use crate::report::{Budget, Report};
use crate::source::{Stream, Writers};
use crate::usage::cpu;

const ROUNDS: usize = 7;
const CALLS: u32 = 500_000;
const WRITES: u64 = 500_000;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let without = calls()?;
        let agent = Agent::start(&alone())?;
        let with = calls()?;
        agent.stop([])?;
        rounds.push((without, with));
    }
    let median = |of: fn(&Calls) -> f64| {
        let of_round = |(without, with): &(Calls, Calls)| of(with) - of(without);
        let mut differences: Vec<f64> = rounds.iter().map(of_round).collect();
        differences.sort_by(f64::total_cmp);
        differences[ROUNDS / 2]
    };
    report.check(
        "added to a captured write of 200 bytes",
        median(|c| c.captured),
        "ns",
        Budget::AtMost(1000.0),
    );
    report.note("added to a write elsewhere (`/dev/null`)", median(|c| c.write), "ns");
    report.note("added to another system call (`getppid`)", median(|c| c.other), "ns");
    Ok(())
}

/// Mean times in ns.
struct Calls {
    captured: f64,
    write: f64,
    other: f64,
}

fn calls() -> Result<Calls> {
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    let bytes = [b'x'; 200];
    Ok(Calls {
        captured: captured()?,
        write: mean(|| rustix::io::write(&null, &bytes).map(drop))?,
        other: mean(|| {
            black_box(getppid());
            Ok(())
        })?,
    })
}

fn mean(mut call: impl FnMut() -> rustix::io::Result<()>) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..CALLS {
        call()?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(CALLS))
}

/// CPU time of a writer in a cgroup that a collector watches, if there is one.
fn captured() -> Result<f64> {
    let mut writers = Writers::start(1, Stream { lines: WRITES, rate: 0 })?;
    writers.go()?;
    writers.until(WRITES)?;
    let used = writers.pids().map(cpu).sum::<Result<std::time::Duration>>()?;
    Ok(used.as_nanos() as f64 / WRITES as f64)
}
