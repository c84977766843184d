//! Reads a run's lines and decides: every expected test exactly once, and nothing wrong with the kernel.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::suite::Tally;

/// What a report's line begins with, wherever in a console's line that is: the first is glued to the firmware's text.
const MARK: &str = "@writetap ";

/// What the kernel says when something is wrong with it.
const ALARMS: [&str; 8] = [
    "Kernel panic",
    "BUG:",
    "Oops:",
    "general protection fault",
    "detected stall",
    "soft lockup",
    "blocked for more than",
    "Out of memory",
];

/// One test's line.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) outcome: String,
    millis: u64,
    /// What was measured, or what is wrong.
    pub(super) said: String,
    /// Whether the backend is known to be left out at times by this kernel.
    pub(super) may_miss: bool,
}

impl Report {
    /// The report in a line, if it has one.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, json) = line.split_once(MARK)?;
        let report: Value = serde_json::from_str(json.trim_end()).ok()?;
        let text = |key: &str| report[key].as_str().map(str::to_owned);
        Some(Self {
            name: text("test")?,
            outcome: text("outcome")?,
            millis: report["ms"].as_u64()?,
            said: text("said").unwrap_or_default(),
            may_miss: report["may_miss"].as_bool().unwrap_or_default(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, outcome, millis, said, .. } = self;
        write!(f, "test {name} ... {outcome} ({millis} ms)")?;
        if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
    }
}

/// What became of a run.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) tally: Tally,
    /// Tests that met a gap that is known and named.
    pub(super) gaps: Vec<String>,
    /// What else is wrong.
    pub(super) problems: Vec<String>,
}

impl Verdict {
    /// Judges everything that a run printed.
    pub(super) fn of(text: &str, expected: &[String]) -> Self {
        let mut verdict = Self::default();
        let mut reports: BTreeMap<String, Vec<Report>> = BTreeMap::new();
        for report in text.lines().filter_map(Report::parse) {
            reports.entry(report.name.clone()).or_default().push(report);
        }
        let mut missing = Vec::new();
        for name in expected {
            match reports.remove(name).as_deref() {
                Some([report]) => verdict.add(report),
                Some(several) => verdict.fail(format!("`{name}` reported {} times", several.len())),
                None => missing.push(name),
            }
        }
        // Usually one that did not end, and all after it.
        if let [first, rest @ ..] = &missing[..] {
            verdict.fail(format!("`{first}` did not report, nor did {} others", rest.len()));
            verdict.tally.failed += rest.len() as u64;
        }
        for name in reports.keys() {
            verdict.fail(format!("`{name}` reported and was not expected"));
        }
        for alarm in ALARMS.iter().filter(|alarm| text.contains(**alarm)) {
            verdict.fail(format!("the kernel said \"{alarm}\""));
        }
        verdict
    }

    pub(super) fn fail(&mut self, problem: String) {
        self.tally.failed += 1;
        self.problems.push(problem);
    }

    fn add(&mut self, report: &Report) {
        match report.outcome.as_str() {
            "ok" | "read back" | "counted" | "noted" | "not seen" | "discovered" | "refused" => {
                self.tally.passed += 1;
            }
            "gap" => {
                self.tally.passed += 1;
                self.gaps.push(format!("{}: {}", report.name, report.said));
            }
            "skipped" => self.tally.skipped += 1,
            _ => self.tally.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, outcome: &str) -> String {
        format!("{MARK}{{\"test\":\"{name}\",\"outcome\":\"{outcome}\",\"ms\":7,\"said\":\"x\"}}\n")
    }

    fn judged(text: &str, expected: &[&str]) -> (Tally, Vec<String>) {
        let expected: Vec<String> = expected.iter().copied().map(str::to_owned).collect();
        let verdict = Verdict::of(text, &expected);
        (verdict.tally, verdict.problems)
    }

    #[test]
    fn reports_stand_anywhere_in_a_line() {
        let report = Report::parse(&format!("SeaBIOS\x08 {}", line("a", "ok"))).unwrap();
        assert_eq!(report.to_string(), "test a ... ok (7 ms): x");
        assert_eq!(Report::parse("[    1.2] usb: nothing"), None);
        assert_eq!(Report::parse(&format!("{MARK}{{\"test\":\"a")), None);
    }

    #[test]
    fn each_expected_test_counts_once() {
        let text = [line("a", "ok"), line("b", "gap"), line("c", "failed"), line("d", "skipped")];
        let tally = Tally { passed: 2, failed: 1, skipped: 1 };
        assert_eq!(judged(&text.concat(), &["a", "b", "c", "d"]), (tally, Vec::new()));
    }

    #[test]
    fn missing_repeated_and_foreign_tests_fail() {
        let text = [line("a", "ok"), line("a", "ok"), line("x", "ok")].concat();
        let (tally, problems) = judged(&text, &["a", "b", "c"]);
        assert_eq!(tally, Tally { passed: 0, failed: 4, skipped: 0 });
        let expected = [
            "`a` reported 2 times",
            "`b` did not report, nor did 1 others",
            "`x` reported and was not expected",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_kernel_in_trouble_fails() {
        let text = line("a", "ok") + "[ 9.0] rcu: INFO: rcu_sched detected stalls on CPUs\n";
        assert_eq!(judged(&text, &["a"]).0, Tally { passed: 1, failed: 1, skipped: 0 });
    }
}
