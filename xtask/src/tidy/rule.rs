//! Rules for single files other than who imports whom.

use std::{ffi::OsStr, path::Path};

use super::Finding;

/// Lines beyond which a file should be split, and beyond which it has to be.
const LARGE: usize = 400;
const TOO_LARGE: usize = 600;

/// Names that say nothing about what a file or folder holds.
const VAGUE: [&str; 6] = ["common", "helper", "helpers", "misc", "util", "utils"];

/// Code that is not finished, or tests that do not run.
const OPEN_ENDS: [&str; 4] = ["todo!", "unimplemented!", "#[ignore", "assert!(true"];

/// The heading under which changes gather until a release.
const UNRELEASED: &str = "## Unreleased";

/// The file or folder is called by what it holds.
pub(super) fn name(path: &Path) -> Vec<Finding> {
    match path.file_stem().and_then(OsStr::to_str) {
        Some(stem) if VAGUE.contains(&stem) => {
            vec![Finding::error(0, format!("`{stem}` says nothing: name it by the noun it holds"))]
        }
        _ => Vec::new(),
    }
}

/// The file is small enough to be read at once. Tests are apart, and tables: files without a function.
pub(super) fn size(path: &Path, code: &str) -> Vec<Finding> {
    let is_test = path.ends_with("tests.rs") || path.starts_with("tests");
    let is_table = !code.contains("fn ");
    let lines = code.lines().count();
    if is_test || is_table || lines <= LARGE {
        return Vec::new();
    }
    let text = format!("{lines} lines: split it by what its parts know ({TOO_LARGE} at most)");
    vec![Finding { line: 0, text, warning: lines <= TOO_LARGE }]
}

/// Nothing is left for later, and every test runs.
pub(super) fn open_ends(code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        for end in OPEN_ENDS.iter().filter(|end| text.contains(**end)) {
            findings.push(Finding::error(line, format!("`{end}` must not stay")));
        }
    }
    findings
}

/// The member takes part in the workspace's lints.
pub(super) fn member(manifest: &str) -> Vec<Finding> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    if lines.next() == Some("workspace = true") {
        return Vec::new();
    }
    let text = "opts out of the workspace's lints: add `[lints]` with `workspace = true`";
    vec![Finding::error(0, text)]
}

/// The newest heading is open for what comes next.
pub(super) fn changelog(text: &str) -> Vec<Finding> {
    let newest = (1..).zip(text.lines()).find(|(_, line)| line.starts_with("## "));
    match newest {
        Some((_, UNRELEASED)) => Vec::new(),
        Some((line, _)) => vec![Finding::error(line, format!("`{UNRELEASED}` has to come first"))],
        None => vec![Finding::error(0, format!("there is no `{UNRELEASED}`"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(path: &str, lines: usize) -> Option<bool> {
        let code = format!("fn main() {{}}\n{}", "x\n".repeat(lines - 1));
        size(Path::new(path), &code).first().map(|finding| finding.warning)
    }

    #[test]
    fn large_files_warn_then_fail() {
        assert_eq!(sizes("a.rs", LARGE), None);
        assert_eq!(sizes("a.rs", LARGE + 1), Some(true));
        assert_eq!(sizes("a.rs", TOO_LARGE), Some(true));
        assert_eq!(sizes("a.rs", TOO_LARGE + 1), Some(false));
    }

    #[test]
    fn tests_and_tables_may_be_large() {
        assert_eq!(sizes("collector/src/line/tests.rs", TOO_LARGE + 1), None);
        assert_eq!(sizes("tests/e2e/main.rs", TOO_LARGE + 1), None);
        assert_eq!(size(Path::new("a.rs"), &"const A: u8 = 1;\n".repeat(TOO_LARGE + 1)), []);
    }

    #[test]
    fn vague_names_are_refused() {
        assert_eq!(name(Path::new("collector/src/utils.rs")).len(), 1);
        assert_eq!(name(Path::new("collector/src/common")).len(), 1);
        assert_eq!(name(Path::new("collector/src/utility.rs")), []);
        assert_eq!(name(Path::new("")), []);
    }

    #[test]
    fn open_ends_are_named_by_line() {
        let found = open_ends("fn a() {\n    todo!()\n}\n#[ignore = \"slow\"]\n");
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 4]);
        assert_eq!(open_ends("fn ignore() {}"), []);
    }

    #[test]
    fn members_opt_in() {
        assert_eq!(member("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"), []);
        assert_eq!(member("[package]\nname = \"a\"\n").len(), 1);
        assert_eq!(member("[lints]\n[features]\nworkspace = true\n").len(), 1);
    }

    #[test]
    fn the_changelog_is_open() {
        assert_eq!(changelog("# Changelog\n\n## Unreleased\n\n## 0.1.0\n"), []);
        let closed = changelog("# Changelog\n\n## 0.1.0\n\n## Unreleased\n");
        assert_eq!(closed.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
        assert_eq!(changelog("").len(), 1);
    }
}
