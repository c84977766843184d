//! What the probe adds to calls, by kernel and backend: the table that is made of the tests' reports.

use std::fmt;

use serde_json::Value;

use super::verdict::Report;

/// What stands before the table.
const HEAD: &str = "\
# Cost of hooks

<!-- Generated from the kernel tests; run `cargo xtask vm --write-matrix` for a kernel. -->

Nanoseconds that a call takes with the probe of each backend attached, and with none: the best of several rounds. The
virtual machines' CPU is emulated, some 10 to 30 times slower than a real one: only ratios within a kernel mean
something there. `other call`: getppid; `elsewhere`: a write of 100 bytes to a pipe by a process in no container;
`other file`: the same by a container's, to a pipe that is none of its streams; `line`: to its stdout, captured.

| kernel | backend | other call | elsewhere | other file | line of 100 bytes | of 1000 |
| --- | --- | --- | --- | --- | --- | --- |
";

const FIELDS: [&str; 5] = ["other_call", "elsewhere", "other_file", "line_100", "line_1000"];

/// The document's rows.
#[derive(Default)]
pub(super) struct Costs {
    rows: Vec<[String; 7]>,
}

impl Costs {
    /// Reads what [`fmt::Display`] has written.
    pub(super) fn parse(document: &str) -> Self {
        let (_, table) = document.split_once("| --- |").unwrap_or_default();
        let row = |line: &str| {
            let fields: Vec<_> =
                line.trim_matches(['|', ' ']).split(" | ").map(str::to_owned).collect();
            fields.try_into().ok()
        };
        Self { rows: table.lines().skip(1).filter_map(row).collect() }
    }

    /// Takes over what a kernel's run printed.
    pub(super) fn update(&mut self, kernel: &str, console: &str) {
        let found: Vec<_> = console.lines().filter_map(|line| row(kernel, line)).collect();
        let at = self.rows.iter().position(|row| row[0] == kernel).unwrap_or(self.rows.len());
        self.rows.retain(|row| row[0] != kernel);
        self.rows.splice(at..at, found);
    }
}

/// What a report says, if it is one of these.
fn row(kernel: &str, line: &str) -> Option<[String; 7]> {
    let report = Report::parse(line).filter(|report| report.outcome == "ok")?;
    let backend = match report.name.as_str() {
        "cost::without_a_probe" => "none",
        name => name.strip_suffix("::cost::of_the_probe")?,
    };
    let nanos: Value = serde_json::from_str(&report.said).ok()?;
    let mut fields = [kernel, backend, "", "", "", "", ""].map(str::to_owned);
    for (field, name) in fields[2..].iter_mut().zip(FIELDS) {
        *field = nanos[name].as_u64()?.to_string();
    }
    Some(fields)
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

#[cfg(test)]
mod tests {
    use super::Costs;

    #[test]
    fn a_kernel_that_runs_again_has_its_rows_replaced() {
        let line = |name: &str, first: u64| {
            let said = format!(
                "{{\\\"other_call\\\":{first},\\\"elsewhere\\\":2,\\\"other_file\\\":3,\\\"line_100\\\":4,\\\"line_1000\\\":5}}"
            );
            format!(
                "@writetap {{\"test\":\"{name}\",\"outcome\":\"ok\",\"ms\":1,\"said\":\"{said}\"}}\n"
            )
        };
        let mut costs = Costs::default();
        costs.update("6.1", &line("cost::without_a_probe", 1));
        costs.update("7.3", &line("multi::cost::of_the_probe", 7));
        let mut costs = Costs::parse(&costs.to_string());
        costs.update(
            "6.1",
            &(line("cost::without_a_probe", 8) + &line("fexit::cost::of_the_probe", 9)),
        );
        let text = costs.to_string();
        let (_, rows) = text.rsplit_once("--- |\n").unwrap();
        let expected = "| 6.1 | none | 8 | 2 | 3 | 4 | 5 |\n\
                        | 6.1 | fexit | 9 | 2 | 3 | 4 | 5 |\n\
                        | 7.3 | multi | 7 | 2 | 3 | 4 | 5 |\n";
        assert_eq!(rows, expected);
    }
}
