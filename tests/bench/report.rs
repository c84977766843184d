//! The table.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::json;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    question: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    question: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    budget: Option<Budget>,
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Budget {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

impl Report {
    /// What follows answers this question.
    pub(crate) fn begin(&mut self, question: &'static str) {
        eprintln!("==> {question}");
        self.question = question;
    }

    /// A figure that has no budget.
    pub(crate) fn note(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.push(what.into(), value, unit, None);
    }

    /// A figure that has one, in the same unit.
    pub(crate) fn check(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: Budget,
    ) {
        self.push(what.into(), value, unit, Some(budget));
    }

    fn push(&mut self, what: String, value: f64, unit: &'static str, budget: Option<Budget>) {
        let question = self.question;
        let row = Row { question, what, value, unit, budget };
        eprintln!("    {row}");
        self.rows.push(row);
    }

    /// Prints the table, and keeps the rows.
    pub(crate) fn finish(&self) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "| what | figure | budget |\n| --- | ---: | ---: |")?;
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("budget.jsonl");
        let failed = || format!("failed to write to `{}`", path.display());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.with_context(failed)?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for Row { question, what, value, unit, budget } in &self.rows {
            let budget = budget.map(|budget| budget.to_string());
            let row = json!({
                "time": time, "question": question, "what": what,
                "value": value, "unit": unit, "budget": budget,
            });
            writeln!(file, "{row}").with_context(failed)?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit, budget, .. } = self;
        let digits = match value.abs() {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "| {what} | {value:.digits$} {unit} | ")?;
        match budget {
            None => f.write_str("|"),
            Some(budget) if budget.is_met(*value) => write!(f, "{budget} |"),
            Some(budget) => write!(f, "**{budget}** |"),
        }
    }
}
