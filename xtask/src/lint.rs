//! `lint`: format, clippy on both halves, the project's own rules, the generated reference, licences and sources.
//!
//! Every check runs, also after one that failed.

use std::{env::consts::ARCH, process::Command};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    cargo::{self, Metadata},
    command::{self, Step},
    setup::{self, Need},
    tidy,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Also look for known vulnerabilities: fetches the advisory database.
    #[arg(long)]
    advisories: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<()> {
    setup::ensure(workspace, &[Need::BUILD, Need::LINT].concat(), yes)?;
    let metadata = Metadata::read(workspace)?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, result: Result<()>| {
        if let Err(error) = result {
            eprintln!("error: {name}: {error:#}");
            failed.push(name);
        }
    };
    check("format", format(workspace));
    check("tidy", tidy::run(workspace, &metadata));
    check("clippy", clippy(workspace));
    check("clippy on the kernel half", clippy_probe(workspace, &metadata));
    check("reference", reference(workspace));
    check("licences and sources", deny(workspace, options.advisories));
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn format(workspace: &Workspace) -> Result<()> {
    let mut fmt = cargo::cargo(workspace);
    step("format", fmt.args(["fmt", "--all", "--", "--check"]), "`cargo fmt --all`")
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let mut clippy = cargo::cargo(workspace);
    clippy.args("clippy --locked --workspace --all-targets -- --deny warnings".split(' '));
    step("clippy", &mut clippy, "")
}

fn clippy_probe(workspace: &Workspace, metadata: &Metadata) -> Result<()> {
    let mut clippy = cargo::cargo(workspace);
    clippy
        .args("clippy --locked --package collector-ebpf --bin probe --features probe".split(' '))
        .args("--release --target bpfel-unknown-none -Z build-std=core --target-dir".split(' '))
        .arg(metadata.target.join("probe"))
        .args(["--", "--deny", "warnings"])
        .env("RUSTC_BOOTSTRAP", "1")
        // As in `collector/build.rs`, so that its `core` serves here too.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!(
                "-Cdebuginfo=2\x1f-Clink-arg=--btf\x1f-Ctarget-cpu=v3\x1f\
                 --cfg=bpf_target_arch=\"{ARCH}\""
            ),
        );
    step("clippy on the kernel half", &mut clippy, "")
}

/// The generated files under `deploy`, checked by the binary that writes them.
fn reference(workspace: &Workspace) -> Result<()> {
    const CALL: &str = "run --locked --package collector --bin writetap -- reference";
    let mut check = cargo::cargo(workspace);
    check.args(CALL.split(' ')).args(["check", "deploy"]);
    step("reference", &mut check, &format!("`cargo {CALL} write deploy`"))
}

fn deny(workspace: &Workspace, advisories: bool) -> Result<()> {
    let mut deny = Command::new("cargo-deny");
    deny.current_dir(workspace.root())
        .args("--locked --config .deny.toml check bans licenses sources".split(' '))
        .args(advisories.then_some("advisories"));
    step("licences and sources", &mut deny, "`.deny.toml` says what is allowed, and why")
}

fn step(name: &str, command: &mut Command, remedy: &str) -> Result<()> {
    let step = Step::begin(name);
    command::show(command, remedy)?;
    step.end();
    Ok(())
}
