//! `vm`: boots distribution kernels in QEMU and runs the kernel tests (`tests/vm`) in them.
//!
//! The same file is `/init` there and runs on this machine's kernel with `--host`; it lists its tests itself, so what is
//! expected is known before anything is booted.

mod cost;
mod document;
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
    document::Document,
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
    /// Words for the kernel's command line, such as `preempt=full`.
    #[arg(long, value_name = "WORDS")]
    append: Option<String>,
    /// Take over into `coverage.md` and `cost.md` of `deploy/reference` what the tests find.
    #[arg(long, conflicts_with_all = ["kernel_image", "append", "filter"])]
    write_matrix: bool,
    /// Run on this machine's kernel instead, as root.
    #[arg(long, conflicts_with_all = ["kernels", "kernel_image", "append", "kvm"])]
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
    let run = Run::new(workspace, &binary, options)?;
    let sum = if options.host { run.host()? } else { run.boot_all(&images(workspace, options)?)? };
    writeln!(stdout(), "{sum}")?;
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every test of `binary`, which was built already, in the kernels for every day.
pub(crate) fn usual(workspace: &Workspace, binary: &Binary) -> Result<Tally> {
    let options = Options::default();
    Run::new(workspace, binary, &options)?.boot_all(&images(workspace, &options)?)
}

/// What the tests of `binary` are run by, and judged.
struct Run<'a> {
    binary: &'a Binary,
    options: &'a Options,
    /// The names of the tests.
    expected: Vec<String>,
    /// What is known of each kernel.
    document: Document,
}

impl<'a> Run<'a> {
    fn new(workspace: &Workspace, binary: &'a Binary, options: &'a Options) -> Result<Self> {
        let expected = expected(binary, options.filter.as_deref())?;
        Ok(Self { binary, options, expected, document: Document::at(workspace.root()) })
    }

    /// Boots one kernel after the other: each takes a CPU for itself.
    fn boot_all(&self, images: &[(String, PathBuf)]) -> Result<Tally> {
        let initramfs = self.binary.path.with_extension("initramfs");
        initramfs::write(&self.binary.path, &initramfs)?;
        let mut sum = Tally::default();
        let Options { filter, append, kvm, .. } = self.options;
        for (release, image) in images {
            let name = [Some(release), append.as_ref()].into_iter().flatten();
            let name = name.map(String::as_str).collect::<Vec<_>>().join(" ");
            let step = Step::begin(format!("kernel tests in Linux {name}"));
            let words =
                [append.as_deref().unwrap_or_default(), filter.as_deref().unwrap_or_default()];
            let console = qemu::boot(image, &initramfs, words, *kvm, |line| {
                if let Some(report) = Report::parse(line) {
                    eprintln!("{report}");
                }
            })?;
            let mut verdict = Verdict::of(&console.text, &self.expected);
            if console.timed_out {
                let seconds = console.elapsed.as_secs();
                verdict.fail(format!("Linux {name} was still running after {seconds} s"));
            }
            sum += self.settle(verdict, &name, &console.text)?;
            step.end();
        }
        Ok(sum)
    }

    fn host(&self) -> Result<Tally> {
        let mut text = Vec::new();
        let mut tests = suite::command(self.binary);
        let tests = tests.args(self.options.filter.as_deref());
        suite::tally("kernel tests on this machine", tests, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        for report in text.lines().filter_map(Report::parse) {
            eprintln!("{report}");
        }
        self.settle(Verdict::of(&text, &self.expected), &Document::host()?, &text)
    }

    /// Compares what a kernel's run printed with what is known of it, and says what a person has to know.
    fn settle(&self, mut verdict: Verdict, kernel: &str, text: &str) -> Result<Tally> {
        if self.options.write_matrix {
            self.document.update(kernel, text)?;
        } else {
            for difference in self.document.differences(kernel, text)? {
                verdict.fail(difference);
            }
        }
        tell(&verdict, text);
        Ok(verdict.tally)
    }
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

/// Says what a person has to know of a verdict.
fn tell(verdict: &Verdict, text: &str) {
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
}
