//! `test`: every test of the project, and one line that says how many.

use std::{
    ffi::OsStr,
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    cargo::{self, Binary, Metadata},
    command::{self, Step},
    setup::{self, Need, kafka},
    suite::{self, Tally},
    vm,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Only tests whose path contains this.
    filter: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<ExitCode> {
    let filter = options.filter.as_deref();
    let guest = if filter.is_none() { Need::GUEST } else { &[] };
    let needs = [Need::BUILD, Need::CONTAINERS, Need::BROKER, Need::PROGRAMS, guest].concat();
    setup::ensure(workspace, &needs, yes)?;
    let binaries = build(workspace)?;
    if filter.is_none() {
        check_fuzz_targets(workspace)?;
    }
    let jars = kafka::jars(workspace)?.context("the test broker is gone from the cache")?;
    let mut doctests = cargo::cargo(workspace);
    doctests.args("test --locked --workspace --doc --".split(' '));
    let mut runs = vec![("documentation tests".to_owned(), doctests)];
    for binary in &binaries {
        let mut tests = suite::command(binary);
        tests.env(kafka::LIBRARY, &jars);
        runs.push((title(binary), tests));
    }
    let (mut sum, mut failed) = (Tally::default(), Vec::new());
    for (title, mut tests) in runs {
        let tally = suite::tally(&title, tests.args(filter), &mut stdout())?;
        if tally.failed > 0 {
            failed.push(title);
        }
        sum += tally;
    }
    if let (None, Some(kernel)) = (filter, binaries.iter().find(|test| test.name == vm::TARGET)) {
        let tally = vm::usual(workspace, kernel)?;
        if tally.failed > 0 {
            failed.push("kernel tests in virtual machines".to_owned());
        }
        sum += tally;
    }
    let good = failed.is_empty() && !sum.is_empty();
    if !failed.is_empty() {
        eprintln!("error: failed: {}", failed.join(", "));
    } else if !good {
        let filter = filter.map(|filter| format!(" with `{filter}` in its path"));
        eprintln!("error: no test{} was run", filter.unwrap_or_default());
    }
    writeln!(stdout(), "{sum}")?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds every test binary; those of single modules come first, the long ones last.
fn build(workspace: &Workspace) -> Result<Vec<Binary>> {
    let step = Step::begin("build the tests");
    let mut binaries = Vec::new();
    // By name the second time, because they keep out of a plain `cargo test`.
    for target in [&[][..], &["--test", "e2e", "--test", vm::TARGET]] {
        let mut build = cargo::cargo(workspace);
        build.args(["test", "--locked", "--workspace", "--no-run"]).args(target);
        binaries.extend(cargo::binaries(&mut build)?);
    }
    binaries.retain(|binary| binary.test);
    binaries.sort_by_key(|binary| binary.kind == "test");
    step.end();
    Ok(binaries)
}

fn title(binary: &Binary) -> String {
    let package = binary.package.file_name().unwrap_or(OsStr::new("?")).display();
    if binary.kind == "test" {
        return format!("integration tests `{}` of {package}", binary.name);
    }
    format!("unit tests of {package} ({} {})", binary.kind, binary.name)
}

/// Compiles the fuzz targets: a workspace of their own, which stable can check but not run.
fn check_fuzz_targets(workspace: &Workspace) -> Result<()> {
    let fuzz = workspace.root().join("tests/fuzz");
    if !fuzz.try_exists()? {
        return Ok(());
    }
    let step = Step::begin("check the fuzz targets");
    let mut check = cargo::cargo(workspace);
    check
        .args(["check", "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"))
        // That of the workspace: most of what they need is compiled there already.
        .arg("--target-dir")
        .arg(Metadata::read(workspace)?.target);
    command::show(&mut check, "")?;
    step.end();
    Ok(())
}
