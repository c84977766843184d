//! `bench`: the budgets that README states, and the microbenchmarks.

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    cargo,
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
    let step = Step::begin("build the benchmarks");
    let mut build = cargo::cargo(workspace);
    build.args(["bench", "--locked", "--package", "collector", "--bench", "*", "--no-run"]);
    let mut binaries = cargo::binaries(&mut build)?;
    binaries.retain(|binary| binary.kind == "bench");
    step.end();
    if binaries.is_empty() {
        bail!("there are no benchmarks");
    }
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
