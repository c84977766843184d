//! `bench`: the budgets that README states, and the microbenchmarks.

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    cargo::{self, Binary},
    command::{self, Step},
    setup::{self, Need, kafka},
    suite,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Only benchmarks whose name contains this.
    filter: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<()> {
    setup::ensure(workspace, &[Need::BUILD, Need::CONTAINERS, Need::BROKER].concat(), yes)?;
    let binaries = build(workspace)?;
    let jars = kafka::jars(workspace)?.context("the test broker is gone from the cache")?;
    for binary in &binaries {
        let step = Step::begin(format!("benchmark `{}`", binary.name));
        let mut benchmark = suite::command(binary);
        benchmark.arg("--bench").args(&options.filter).env(kafka::LIBRARY, &jars);
        command::show(&mut benchmark, "")?;
        step.end();
    }
    Ok(())
}

/// Builds every benchmark, and the program that runs inside containers.
fn build(workspace: &Workspace) -> Result<Vec<Binary>> {
    let step = Step::begin("build the benchmarks");
    let mut workload = cargo::cargo(workspace);
    workload.args("build --locked --release --package collector --example workload".split(' '));
    command::show(&mut workload, "")?;
    let mut benchmarks = cargo::cargo(workspace);
    benchmarks.args("bench --locked --package collector --bench * --no-run".split(' '));
    let mut binaries = cargo::binaries(&mut benchmarks)?;
    binaries.retain(|binary| binary.kind == "bench");
    step.end();
    Ok(binaries)
}
