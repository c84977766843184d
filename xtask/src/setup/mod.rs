//! `setup`: checks what building, running and testing need, and installs what is missing.
//!
//! Other verbs call [`ensure`] with the needs of their own. Nothing is installed twice, and nothing without a word.

pub(crate) mod docker;
mod install;
pub(crate) mod kafka;
mod need;
mod tool;

use std::io::{IsTerminal as _, Write as _, stderr, stdin};

use anyhow::{Result, bail};
use clap::Args;

pub(crate) use self::need::{DEBIAN_KEYS, Need};
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Also what `cargo xtask lint` needs (cargo-deny: about 4 minutes of compiling).
    #[arg(long)]
    lint: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<()> {
    let lint = if options.lint { Need::LINT } else { &[] };
    let tests = [Need::BROKER, Need::PROGRAMS, Need::GUEST].concat();
    let needs = [Need::BUILD, Need::CONTAINERS, &tests, Need::DAEMON, lint].concat();
    for need in &needs {
        match need.found(workspace) {
            Some(found) => eprintln!("    there    {need}: {found}"),
            None => eprintln!("    missing  {need}"),
        }
    }
    ensure(workspace, &needs, yes)?;
    eprintln!("    everything is there");
    Ok(())
}

/// Installs those of `needs` that are missing; without a terminal, or with `yes`, it does not ask first.
pub(crate) fn ensure(workspace: &Workspace, needs: &[Need], yes: bool) -> Result<()> {
    let missing: Vec<Need> =
        needs.iter().copied().filter(|need| need.found(workspace).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("==> missing here:");
    for need in &missing {
        eprintln!("    {need}, {}", need.purpose());
    }
    consent(yes)?;
    install::all(workspace, &missing)?;
    for need in &missing {
        if need.found(workspace).is_none() {
            bail!("{need} is still missing after its installation\nremedy: {}", need.by_hand());
        }
    }
    Ok(())
}

fn consent(yes: bool) -> Result<()> {
    if yes || !stdin().is_terminal() {
        eprintln!("    installing it ({})", if yes { "`--yes`" } else { "no terminal to ask on" });
        return Ok(());
    }
    eprint!("    install it? [Y/n] ");
    stderr().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    match answer.trim() {
        "" | "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing installed"),
    }
}
