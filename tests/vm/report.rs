//! One line for each test, for a program to read; and at the end one for people, as Rust's own harness has it.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::stage::Outcome;

/// What a report's line begins with: a console has other lines, and may put them in front.
const MARK: &str = "@writetap";

/// How many tests ended how.
#[derive(Default)]
pub(crate) struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Reports a test; `may_miss`: of a backend that this kernel is known to leave out at times.
    pub(crate) fn add(
        &mut self,
        name: &str,
        outcome: Result<Outcome>,
        may_miss: bool,
        time: Duration,
    ) {
        let (outcome, said) = match outcome {
            Ok(Outcome::Passed(said)) => ("ok", said),
            Ok(Outcome::ReadBack(said)) => ("read back", said),
            Ok(Outcome::Counted(said)) => ("counted", said),
            Ok(Outcome::Noted(said)) => ("noted", said),
            Ok(Outcome::NotSeen(said)) => ("not seen", said),
            Ok(Outcome::Discovered(said)) => ("discovered", said),
            Ok(Outcome::Refused(said)) => ("refused", said),
            Ok(Outcome::Gap(said)) => ("gap", said),
            Ok(Outcome::Skipped(said)) => ("skipped", said),
            Err(error) => ("failed", format!("{error:#}")),
        };
        *match outcome {
            "failed" => &mut self.failed,
            "skipped" => &mut self.skipped,
            _ => &mut self.passed,
        } += 1;
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "test": name, "outcome": outcome, "ms": ms, "said": said, "may_miss": may_miss });
        // A console that is gone has nobody who misses the line.
        let _gone = writeln!(stdout(), "{MARK} {line}");
    }

    /// Says how many there were of each; whether none failed.
    pub(crate) fn end(&self) -> bool {
        let Self { passed, failed, skipped } = self;
        let result = if *failed == 0 { "ok" } else { "FAILED" };
        let _gone = writeln!(
            stdout(),
            "test result: {result}. {passed} passed; {failed} failed; {skipped} ignored"
        );
        *failed == 0
    }
}

/// The exit code of a part of this program that is no test.
pub(crate) fn exit_code(done: Result<()>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _gone = writeln!(std::io::stderr(), "{error:#}");
    ExitCode::FAILURE
}
