//! `vm`: boots distribution kernels in QEMU and runs the kernel tests (`tests/vm`) in them.
//!
//! The same file is `/init` there and runs on this machine's kernel with `--host`; it lists its tests itself, so what is
//! expected is known before anything is booted.

mod initramfs;
mod kernel;
mod matrix;
mod qemu;
mod verdict;

use std::{
    fs::File,
    io::{Write as _, stdout},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::{
    matrix::Matrix,
    qemu::Console,
    verdict::{Report, Verdict},
};
use crate::{
    cargo::{self, Binary},
    command::{self, Step},
    setup::{self, Need},
    suite::{self, Tally},
    workspace::Workspace,
};

/// The test target.
pub(crate) const TARGET: &str = "kernel";
/// Lines of a console that a failure shows.
const TAIL_LINES: usize = 40;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// A Linux release of Debian's, such as 6.1; may be given again [default: 6.1 and 7.3]
    #[arg(long = "kernel", value_name = "RELEASE")]
    kernels: Vec<String>,
    /// Boot this kernel image instead; takes no network.
    #[arg(long, value_name = "PATH", conflicts_with = "kernels")]
    kernel_image: Option<PathBuf>,
    /// Run on this machine's kernel instead, as root.
    #[arg(long, conflicts_with_all = ["kernels", "kernel_image", "kvm"])]
    host: bool,
    /// Let KVM run the guest, where that works.
    #[arg(long)]
    kvm: bool,
    /// Only tests whose name contains this.
    #[arg(last = true)]
    filter: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, yes: bool) -> Result<ExitCode> {
    let needs = if options.host { Need::BUILD } else { &[Need::BUILD, Need::GUEST].concat() };
    setup::ensure(workspace, needs, yes)?;
    let binary = build(workspace)?;
    let filter = options.filter.as_deref();
    let expected = expected(&binary, filter)?;
    let sum = if options.host {
        host(&binary, filter, &expected)?
    } else {
        boot_all(&binary, filter, &expected, &images(workspace, options)?, options.kvm)?
    };
    writeln!(stdout(), "{sum}")?;
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every test of `binary`, which was built already, in the kernels for every day.
pub(crate) fn usual(workspace: &Workspace, binary: &Binary) -> Result<Tally> {
    let images = images(workspace, &Options::default())?;
    boot_all(binary, None, &expected(binary, None)?, &images, false)
}

/// Boots one kernel after the other: each takes a CPU for itself.
fn boot_all(
    binary: &Binary,
    filter: Option<&str>,
    expected: &[String],
    images: &[(String, PathBuf)],
    kvm: bool,
) -> Result<Tally> {
    let initramfs = binary.path.with_extension("initramfs");
    initramfs::write(&binary.path, &initramfs)?;
    let (mut sum, mut matrix) = (Tally::default(), Matrix::default());
    for (name, image) in images {
        let step = Step::begin(format!("kernel tests in Linux {name}"));
        let arguments: Vec<&str> = filter.into_iter().collect();
        let console = qemu::boot(image, &initramfs, &arguments, kvm, |line| {
            if let Some(report) = Report::parse(line) {
                eprintln!("{report}");
            }
        })?;
        sum += judge(name, &console, expected);
        matrix.add(name, &console.text);
        step.end();
    }
    eprint!("{matrix}");
    Ok(sum)
}

/// Builds the tests.
fn build(workspace: &Workspace) -> Result<Binary> {
    let step = Step::begin("build the kernel tests");
    let mut build = cargo::cargo(workspace);
    build.args("test --locked --package collector --no-run --test".split(' ')).arg(TARGET);
    let binary = cargo::binaries(&mut build)?
        .into_iter()
        .find(|binary| binary.name == TARGET && binary.test)
        .with_context(|| format!("Cargo named no test `{TARGET}`"))?;
    step.end();
    Ok(binary)
}

/// The names of the tests, as they tell them.
fn expected(binary: &Binary, filter: Option<&str>) -> Result<Vec<String>> {
    let listed = command::read(Command::new(&binary.path).arg("--list").args(filter))?;
    if listed.is_empty() {
        bail!("no kernel test has `{}` in its name", filter.unwrap_or_default());
    }
    Ok(listed.lines().map(str::to_owned).collect())
}

/// The kernels to boot, by name.
fn images(workspace: &Workspace, options: &Options) -> Result<Vec<(String, PathBuf)>> {
    if let Some(image) = &options.kernel_image {
        return Ok(vec![(image.display().to_string(), image.clone())]);
    }
    let mut releases: Vec<&str> = options.kernels.iter().map(String::as_str).collect();
    if releases.is_empty() {
        releases.extend(kernel::USUAL);
    }
    // Clones share the cache, one at a time.
    let lock = workspace.cache("vm")?.join("lock");
    let lock =
        File::create(&lock).with_context(|| format!("failed to open `{}`", lock.display()))?;
    lock.lock().context("failed to lock the cache of kernels")?;
    // All of them first: a mirror that does not answer is told before the first boot.
    let image = |release| Ok((String::from(release), kernel::image(workspace, release)?));
    releases.into_iter().map(image).collect()
}

fn host(binary: &Binary, filter: Option<&str>, expected: &[String]) -> Result<Tally> {
    let mut text = Vec::new();
    let mut tests = suite::command(binary);
    suite::tally("kernel tests on this machine", tests.args(filter), &mut text)?;
    let text = String::from_utf8_lossy(&text);
    for report in text.lines().filter_map(Report::parse) {
        eprintln!("{report}");
    }
    Ok(tell(&Verdict::of(&text, expected), &text))
}

/// Judges a guest's run.
fn judge(name: &str, console: &Console, expected: &[String]) -> Tally {
    let mut verdict = Verdict::of(&console.text, expected);
    if console.timed_out {
        let seconds = console.elapsed.as_secs();
        verdict.fail(format!("Linux {name} was still running after {seconds} s"));
    }
    tell(&verdict, &console.text)
}

/// Says what a person has to know of a verdict.
fn tell(verdict: &Verdict, text: &str) -> Tally {
    if !verdict.problems.is_empty() {
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("    the console's end:");
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            eprintln!("    | {line}");
        }
    }
    for problem in &verdict.problems {
        eprintln!("error: {problem}");
    }
    for gap in &verdict.gaps {
        eprintln!("known gap: {gap}");
    }
    verdict.tally
}
