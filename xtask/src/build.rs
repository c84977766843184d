//! `build`: the probe (by the collector's build script) and the collector.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    cargo,
    command::Step,
    setup::{self, Need},
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Optimise: `target/release/writetap`.
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<()> {
    setup::ensure(workspace, Need::BUILD, yes)?;
    let binary = writetap(workspace, options.release)?;
    eprintln!("    {}", binary.display());
    Ok(())
}

/// Builds the collector and says where its binary is.
pub(crate) fn writetap(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let step = Step::begin("build the probe and the collector");
    let mut build = cargo::cargo(workspace);
    build.args(["build", "--locked", "--package", "collector", "--bin", "writetap"]);
    if release {
        build.arg("--release");
    }
    let binary = cargo::binaries(&mut build)?
        .into_iter()
        .find(|binary| binary.name == "writetap" && !binary.test)
        .context("Cargo named no binary `writetap`")?;
    step.end();
    Ok(binary.path)
}
