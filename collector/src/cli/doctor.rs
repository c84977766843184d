//! `doctor`: print what this machine allows, and what to do about the rest.

use std::io::{self, IsTerminal as _, Write};

use super::Context;
use super::outcome::{Failure, Outcome};
use crate::agent::doctor::{Report, Roots, Status, examine};

/// How to print the report.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Fails when something is missing.
pub(super) fn run(options: &Options, context: &Context<'_>, out: &mut dyn Write) -> Outcome {
    let report = examine(&context.config()?, &Roots::default());
    let text = if options.json {
        format!("{}\n", serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?)
    } else {
        render(&report, context.has_color(io::stdout().is_terminal()))
    };
    out.write_all(text.as_bytes())?;
    if report.is_able() { Ok(()) } else { Err(Failure::Found) }
}

fn render(report: &Report, colored: bool) -> String {
    let width =
        report.findings.iter().map(|finding| finding.topic.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in &report.findings {
        let (color, word) = match finding.status {
            Status::Ok => ("32", "ok      "),
            Status::Degraded => ("33", "degraded"),
            Status::Missing => ("31", "missing "),
        };
        let word = if colored { format!("\x1b[{color}m{word}\x1b[0m") } else { word.to_owned() };
        lines.push(format!("{word}  {:width$}  {}", finding.topic, finding.detail));
        if let Some(remedy) = &finding.remedy {
            lines.push(format!("{:indent$}→ {remedy}", "", indent = width + 12));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::doctor::Finding;

    #[test]
    fn findings_are_aligned_and_remedies_stand_below() {
        let report = Report {
            findings: vec![
                Finding::ok("kernel", "Linux 6.18"),
                Finding::missing("CAP_BPF", "not granted", "run as root"),
            ],
        };
        let expected = "\
ok        kernel   Linux 6.18
missing   CAP_BPF  not granted
                   → run as root
";
        assert_eq!(render(&report, false), expected);
        assert!(render(&report, true).contains("\x1b[31mmissing \x1b[0m"));
    }
}
