//! `run`: collects this machine's containers with a fresh release build.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    build, command, demo, privilege,
    setup::{self, Need},
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Also start two small containers that print a few lines a second, until this ends.
    #[arg(long)]
    demo: bool,
    /// Arguments of `writetap run`.
    #[arg(last = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<()> {
    setup::ensure(workspace, Need::BUILD, yes)?;
    let binary = build::writetap(workspace, true)?;
    if options.demo {
        setup::ensure(workspace, &[Need::CONTAINERS, Need::DAEMON].concat(), yes)?;
        demo::start(process::id())?;
    }
    let mut writetap = privilege::as_root(binary);
    writetap.arg("run").args(&options.args);
    eprintln!("==> {} (Ctrl-C ends it)", command::text(&writetap));
    // In the place of this process, so that signals and the exit code are Writetap's own.
    let error = writetap.exec();
    Err(error)
        .with_context(|| command::unstartable(&writetap, "capture takes root: `sudo`, or be root"))
}
