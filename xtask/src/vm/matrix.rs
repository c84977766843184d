//! What becomes of the bytes of each way to write, by backend and kernel: the table that is made of the tests' reports,
//! and the document that keeps it.

use std::{collections::BTreeMap, fmt};

use super::verdict::Report;

/// What stands before the tables.
const HEAD: &str = "\
# Coverage

<!-- Generated from the kernel tests; run `cargo xtask vm --write-matrix` for a kernel, and review what changes. -->

What becomes of the bytes of each way to write, by backend (`capture.attach`) and kernel. The kernels are Debian's, in
virtual machines; `host` is one that allows nothing but tracepoints, as some clouds have it. Every cell is a test, which
compares what was written with what came out, byte by byte, and the counts with both.

| cell | meaning |
| --- | --- |
| captured | every byte, in order; written = captured + lost, and nothing lost |
| read back | every byte, in order, from the file that the call took it from, while the process has that open |
| counted | the bytes cannot be had: how many there were is counted for the stream, and told at their place in it |
| noted | not seen, but that there was such a call is counted for the node (`writetap_probe_misses_total`) |
| not seen | by the backend; what the log file has of it is read from there where lines are missing |
| discovered | the file is announced at its first write; its bytes are not captured by the probe |
| refused | the kernel refuses the call, and nothing is seen of it |
| some missed | the kernel left the program out while it was preempted, as `writetap_probe_skipped_total` says |
| … * | the same may happen in this cell: the backend is not exact on this kernel, and `auto` takes another if it can |
| – | the kernel does not have the backend |
";

/// The groups of tests that are about ways to write, in the document's order, and their headings.
const SECTIONS: [(&str, &str); 10] = [
    ("pipe", "Calls onto a pipe"),
    ("fifo", "Calls onto a FIFO"),
    ("terminal", "Calls onto a terminal"),
    ("file", "Calls onto a regular file"),
    ("append", "Calls onto a regular file opened with `O_APPEND`"),
    ("read_back", "Calls onto a pipe, from a file that stays open"),
    ("writes", "What is written, and how it ends"),
    ("processes", "Who writes, and through what"),
    ("accounting", "What is lost"),
    ("skipped", "Beside other writers"),
];

/// The last of the sections whose rows are named by calls.
const CALLS: usize = 6;

/// The document.
#[derive(Default)]
pub(super) struct Matrix {
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    /// The group and the name of the test: `pipe::write`.
    test: String,
    backend: String,
    /// One for each column; empty where nobody looked.
    cells: Vec<String>,
}

impl Matrix {
    /// Reads what [`fmt::Display`] has written.
    pub(super) fn parse(document: &str) -> Self {
        let (mut matrix, mut section) = (Self::default(), None);
        for line in document.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                section = SECTIONS.iter().find(|(_, known)| *known == title);
            }
            let Some((group, _)) = section else { continue };
            let Some(line) = line.strip_prefix("| ") else { continue };
            let mut fields = line.trim_end_matches([' ', '|']).split('|').map(str::trim);
            let (Some(name), Some(backend)) = (fields.next(), fields.next()) else { continue };
            let cells = fields.map(str::to_owned).collect();
            match backend {
                "---" => {}
                "backend" => matrix.columns = cells,
                _ => {
                    let test = format!("{group}::{}", name.trim_matches('`').replace(' ', "_"));
                    matrix.rows.push(Row { test, backend: backend.to_owned(), cells });
                }
            }
        }
        matrix
    }

    /// Takes over all that a kernel's whole run printed; tests that are no more go.
    pub(super) fn update(&mut self, kernel: &str, console: &str) {
        let column = self.columns.iter().position(|column| column == kernel);
        let column = column.unwrap_or_else(|| {
            self.columns.push(kernel.to_owned());
            self.columns.len() - 1
        });
        let reports: Vec<Cell> = console.lines().filter_map(Cell::parse).collect();
        let mut old: BTreeMap<(String, String), Vec<String>> = std::mem::take(&mut self.rows)
            .into_iter()
            .map(|row| ((row.test, row.backend), row.cells))
            .collect();
        let mut tests: Vec<&str> = Vec::new();
        for report in &reports {
            if !tests.contains(&report.test.as_str()) {
                tests.push(&report.test);
            }
        }
        for test in tests {
            for Cell { backend, says, .. } in reports.iter().filter(|report| report.test == test) {
                let key = (test.to_owned(), backend.clone());
                let mut cells = old.remove(&key).unwrap_or_default();
                cells.resize(self.columns.len(), String::new());
                // Whether a run meets a skip is chance.
                let is_chance = agree(&cells[column], says) && cells[column].ends_with('*');
                if !is_chance && !says.is_empty() {
                    cells[column].clone_from(says);
                }
                let (test, backend) = key;
                self.rows.push(Row { test, backend, cells });
            }
        }
    }

    /// Where a kernel's run printed something else.
    pub(super) fn differences(&self, kernel: &str, console: &str) -> Vec<String> {
        let Some(column) = self.columns.iter().position(|column| column == kernel) else {
            return Vec::new();
        };
        let differs = |Cell { test, backend, says }: Cell| {
            let row = self.rows.iter().find(|row| row.test == test && row.backend == backend);
            let known = row.and_then(|row| row.cells.get(column)).map_or("", String::as_str);
            // The failure itself is told already.
            let told = !says.is_empty() && !agree(known, &says);
            told.then(|| format!("`{test}` by `{backend}` on {kernel}: {says}, was \"{known}\""))
        };
        console.lines().filter_map(Cell::parse).filter_map(differs).collect()
    }
}

/// Whether two cells say the same, apart from chance and from what a machine does not have.
fn agree(known: &str, found: &str) -> bool {
    let may_miss = |cell: &str| cell.ends_with('*') || cell == "some missed";
    known == found || (may_miss(known) && may_miss(found)) || (!known.is_empty() && found == "–")
}

/// What a test's report says of the bytes.
struct Cell {
    test: String,
    backend: String,
    says: String,
}

impl Cell {
    /// In a line of the console, if it reports a test about a way to write. One that failed says nothing: an empty cell.
    fn parse(line: &str) -> Option<Self> {
        let report = Report::parse(line)?;
        let (backend, test) = report.name.split_once("::")?;
        SECTIONS.iter().find(|(group, _)| test.split("::").next() == Some(group))?;
        let says = match report.outcome.as_str() {
            "ok" => "captured",
            "gap" => "some missed",
            "skipped" => "–",
            "failed" => "",
            other => other,
        };
        let is_seen = matches!(says, "captured" | "counted" | "discovered");
        let star = if report.may_miss && is_seen { " *" } else { "" };
        Some(Self {
            test: test.to_owned(),
            backend: backend.to_owned(),
            says: format!("{says}{star}"),
        })
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for (number, (group, title)) in SECTIONS.iter().enumerate() {
            let mut rows = self.rows.iter().filter_map(|row| {
                let (of, name) = row.test.split_once("::")?;
                (of == *group).then_some((name, row))
            });
            let Some(first) = rows.next() else { continue };
            let heading = if number < CALLS { "call" } else { "case" };
            writeln!(f, "\n## {title}\n")?;
            writeln!(f, "| {heading} | backend | {} |", self.columns.join(" | "))?;
            writeln!(f, "| --- | --- |{}", " --- |".repeat(self.columns.len()))?;
            for (name, Row { backend, cells, .. }) in [first].into_iter().chain(rows) {
                let name =
                    if number < CALLS { format!("`{name}`") } else { name.replace('_', " ") };
                writeln!(f, "| {name} | {backend} | {} |", cells.join(" | "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, agree};

    fn line(name: &str, outcome: &str, may_miss: bool) -> String {
        format!(
            "@writetap {{\"test\":\"{name}\",\"outcome\":\"{outcome}\",\"ms\":1,\"may_miss\":{may_miss}}}\n"
        )
    }

    fn matrix() -> Matrix {
        let mut matrix = Matrix::default();
        let first = [
            line("fexit::pipe::pwrite64", "ok", false),
            line("fexit::writes::of_nothing", "gone", false),
            line("syscall::pipe::pwrite64", "gap", true),
            line("syscall::probe::loads", "ok", false),
            line("names::of_others", "ok", false),
        ];
        matrix.update("6.1", &first.concat());
        let second = [
            line("fexit::pipe::pwrite64", "skipped", false),
            line("fexit::writes::of_nothing", "ok", true),
            line("syscall::pipe::pwrite64", "not seen", false),
            line("syscall::pipe::tee", "counted", false),
        ];
        matrix.update("7.3", &second.concat());
        matrix
    }

    #[test]
    fn has_a_row_for_each_way_and_backend() {
        let text = matrix().to_string();
        let (_, tables) = text.split_once("\n## ").unwrap();
        let expected = "Calls onto a pipe\n\n\
                        | call | backend | 6.1 | 7.3 |\n\
                        | --- | --- | --- | --- |\n\
                        | `pwrite64` | fexit | captured | – |\n\
                        | `pwrite64` | syscall | some missed | not seen |\n\
                        | `tee` | syscall |  | counted |\n\n\
                        ## What is written, and how it ends\n\n\
                        | case | backend | 6.1 | 7.3 |\n\
                        | --- | --- | --- | --- |\n\
                        | of nothing | fexit | gone | captured * |\n";
        assert_eq!(tables, expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = matrix().to_string();
        assert_eq!(Matrix::parse(&text).to_string(), text);
    }

    #[test]
    fn a_changed_cell_is_told() {
        let run = line("fexit::pipe::pwrite64", "counted", false)
            + &line("syscall::pipe::pwrite64", "ok", true)
            + &line("syscall::pipe::splice", "failed", true)
            + &line("syscall::pipe::vmsplice", "ok", false);
        let expected = [
            "`pipe::pwrite64` by `fexit` on 6.1: counted, was \"captured\"",
            "`pipe::vmsplice` by `syscall` on 6.1: captured, was \"\"",
        ];
        assert_eq!(matrix().differences("6.1", &run), expected);
        assert_eq!(matrix().differences("5.10", &run), [""; 0]);
    }

    #[test]
    fn chance_and_absence_are_no_difference() {
        assert!(agree("captured *", "some missed") && agree("some missed", "captured *"));
        assert!(agree("captured", "–"));
        assert!(!agree("captured", "some missed"));
        assert!(!agree("–", "captured"));
        assert!(!agree("", "–"));
    }
}
