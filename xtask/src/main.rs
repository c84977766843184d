//! Everything a developer or CI does to Writetap: `cargo xtask <verb>`.
//!
//! This file only dispatches; each verb is a file of its own.

mod bench;
mod build;
mod cargo;
mod command;
mod demo;
mod lint;
mod privilege;
mod run;
mod setup;
mod suite;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Sets up, builds, runs, tests and checks Writetap.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Install what is missing without asking.
    #[arg(long, global = true)]
    yes: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Checks what building and testing need, and installs what is missing.
    Setup(setup::Options),
    /// Builds the probe and the collector.
    Build(build::Options),
    /// Builds Writetap and collects the logs of this machine's containers.
    Run(run::Options),
    /// Runs every test, those that need root, Docker and Kafka as well.
    Test(test::Options),
    /// Runs the kernel tests in virtual machines with the kernels of distributions.
    Vm(vm::Options),
    /// Measures what README promises.
    Bench(bench::Options),
    /// Checks format, lints, the project's own rules, and licences.
    Lint(lint::Options),
}

fn main() -> ExitCode {
    let Cli { verb, yes } = Cli::parse();
    match dispatch(&verb, yes) {
        Ok(code) => code,
        // Not by `Result` in `main`: its report would carry a backtrace of the task runner.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: &Verb, yes: bool) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Setup(options) => setup::run(&workspace, options, yes)?,
        Verb::Build(options) => build::run(&workspace, options, yes)?,
        Verb::Run(options) => run::run(&workspace, options, yes)?,
        // Tests that fail are a result, which has been told.
        Verb::Test(options) => return test::run(&workspace, options, yes),
        Verb::Vm(options) => return vm::run(&workspace, options, yes),
        Verb::Bench(options) => bench::run(&workspace, options, yes)?,
        Verb::Lint(options) => lint::run(&workspace, options, yes)?,
    }
    Ok(ExitCode::SUCCESS)
}
