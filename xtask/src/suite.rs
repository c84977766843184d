//! Runs test and benchmark binaries and adds up what they report.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Write},
    ops::AddAssign,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    cargo::Binary,
    command::{self, Step},
    privilege,
};

/// Targets that touch the machine (BPF, Docker, cgroups) and so run as root.
const AS_ROOT: [&str; 3] = ["e2e", "kernel", "budget"];

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Reads the summary line of Rust's test harness; `None` for any other line.
    fn parse(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |label: &str| {
            counts.split("; ").find_map(|part| part.strip_suffix(label)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }

    /// Whether no test ran to an end.
    pub(crate) fn is_empty(self) -> bool {
        self.passed + self.failed == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The command that runs `binary` as Cargo would.
pub(crate) fn command(binary: &Binary) -> Command {
    let mut command = if AS_ROOT.contains(&binary.name.as_str()) {
        privilege::as_root(&binary.path)
    } else {
        Command::new(&binary.path)
    };
    command.current_dir(&binary.package).env("CARGO_MANIFEST_DIR", &binary.package);
    command
}

/// Runs a command that reports as Rust's test harness does; what it prints goes to `out` as it comes.
///
/// A command that fails without naming a failed test (a crash, say) counts as one failure.
pub(crate) fn tally(name: &str, tests: &mut Command, out: &mut impl Write) -> Result<Tally> {
    let step = Step::begin(name);
    // Both streams in one pipe, so that their lines stay in order.
    let (output, input) = io::pipe()?;
    let mut child = tests
        .stdout(input.try_clone()?)
        .stderr(input)
        .spawn()
        .with_context(|| command::unstartable(tests, ""))?;
    // The command held the pipe's other end, which has to close for the output to have an end.
    tests.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut output, mut line) = (BufReader::new(output), Vec::new());
    let (mut sum, mut skipped) = (Tally::default(), 0);
    while output.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        skipped += u64::from(is_skip(&text));
        if let Some(tally) = Tally::parse(&text) {
            sum += tally;
        }
        line.clear();
    }
    // Rust's harness knows no test that finds out by itself that it cannot run: it took them for passed.
    sum.passed = sum.passed.saturating_sub(skipped);
    sum.skipped += skipped;
    let status = child.wait()?;
    if !status.success() {
        eprintln!("    `{}` failed ({status})", command::text(tests));
        sum.failed = sum.failed.max(1);
    }
    step.end();
    Ok(sum)
}

/// Whether the line is `tests/harness` saying that a test skips itself.
fn is_skip(line: &str) -> bool {
    line.contains("SKIPPED ") && line.trim_end().ends_with(" skipped)")
}

#[cfg(test)]
mod tests {
    use std::io::sink;

    use super::*;

    const RESULT: &str = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; \
                          finished in 0.01s";

    #[test]
    fn only_the_summary_counts() {
        assert_eq!(Tally::parse(RESULT), Some(Tally { passed: 5, failed: 2, skipped: 1 }));
        assert_eq!(Tally::parse("test line::split ... ok"), None);
        assert_eq!(Tally::parse("test result: of sorts"), None);
        assert_eq!(Tally::parse(""), None);
    }

    #[test]
    fn summaries_add_up_and_skips_and_crashes_count() {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo '{RESULT}'; echo '{RESULT}'; exit 101")]);
        let mut out = Vec::new();
        let sum = tally("two", &mut shell, &mut out).unwrap();
        assert_eq!(sum.to_string(), "10 passed, 4 failed, 2 skipped");
        assert_eq!(out, format!("{RESULT}\n{RESULT}\n").as_bytes());
        let mut skip = Command::new("sh");
        let line = "SKIPPED a::b: no java (1 skipped)";
        skip.args(["-c", &format!("echo '{line}' >&2; echo '{RESULT}'")]);
        let sum = tally("skip", &mut skip, &mut sink()).unwrap();
        assert_eq!(sum, Tally { passed: 4, failed: 2, skipped: 2 });
        let mut crash = Command::new("sh");
        let crash = tally("crash", crash.args(["-c", "kill -9 $$"]), &mut sink()).unwrap();
        assert_eq!(crash, Tally { passed: 0, failed: 1, skipped: 0 });
        assert!(!crash.is_empty());
        assert!(tally("nothing", &mut Command::new("true"), &mut sink()).unwrap().is_empty());
    }
}
