//! What becomes of the bytes of each way to write, by backend and kernel: a table made of the tests' reports.

use std::{collections::BTreeMap, fmt};

use super::verdict::Report;

/// The tests that are about a way to write: all of these modules.
const MODULES: [&str; 3] = ["writes::", "queued::", "unseen::"];

/// Cells by row, which is a way to write and a backend, and by the number of their kernel.
#[derive(Default)]
pub(super) struct Matrix {
    kernels: Vec<String>,
    rows: BTreeMap<(String, String), BTreeMap<usize, &'static str>>,
}

impl Matrix {
    /// Adds what a kernel's run printed.
    pub(super) fn add(&mut self, kernel: &str, console: &str) {
        let column = self.kernels.len();
        self.kernels.push(kernel.to_owned());
        for report in console.lines().filter_map(Report::parse) {
            let Some((backend, test)) = report.name.split_once("::") else { continue };
            if MODULES.iter().any(|module| test.starts_with(module)) {
                let row = self.rows.entry((test.to_owned(), backend.to_owned())).or_default();
                row.insert(column, cell(&report));
            }
        }
    }
}

/// What a report says of the bytes.
fn cell(report: &Report) -> &'static str {
    match report.outcome.as_str() {
        "ok" => "captured",
        "counted" => "counted",
        "read back" => "read back",
        "gap" if report.said.starts_with("skipped programs") => "some missed",
        "gap" => "not seen",
        "skipped" => "-",
        _ => "FAILED",
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let kernels: Vec<&str> = self.kernels.iter().map(String::as_str).collect();
        writeln!(f, "| way to write | backend | {} |", kernels.join(" | "))?;
        writeln!(f, "| --- | --- |{}", " --- |".repeat(kernels.len()))?;
        for ((test, backend), cells) in &self.rows {
            let cells = (0..kernels.len()).map(|column| cells.get(&column).copied().unwrap_or(""));
            let cells: Vec<&str> = cells.collect();
            writeln!(f, "| {test} | {backend} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Matrix;

    #[test]
    fn has_a_row_for_each_way_and_backend() {
        let line = |name: &str, outcome: &str, said: &str| {
            format!(
                "@writetap {{\"test\":\"{name}\",\"outcome\":\"{outcome}\",\"ms\":1,\"said\":\"{said}\"}}\n"
            )
        };
        let mut matrix = Matrix::default();
        let first = [
            line("fexit::writes::write", "ok", ""),
            line("syscall::writes::write", "gap", "skipped programs: 1"),
            line("syscall::probe::loads", "ok", ""),
            line("names::of_others", "ok", ""),
        ];
        matrix.add("6.1", &first.concat());
        let second = [
            line("fexit::writes::write", "skipped", ""),
            line("syscall::queued::aio", "gap", "not seen"),
            line("syscall::unseen::tee", "counted", ""),
        ];
        matrix.add("7.3", &second.concat());
        let expected = "| way to write | backend | 6.1 | 7.3 |\n\
                        | --- | --- | --- | --- |\n\
                        | queued::aio | syscall |  | not seen |\n\
                        | unseen::tee | syscall |  | counted |\n\
                        | writes::write | fexit | captured | - |\n\
                        | writes::write | syscall | some missed |  |\n";
        assert_eq!(matrix.to_string(), expected);
    }
}
