//! Who may import whom in the collector: downwards only.

use std::path::{Component, Path};

use super::Finding;

const ROOT: &str = "collector/src";
/// Files at the root of the crate, which belong to no module.
const OUTSIDE: [&str; 2] = ["lib", "main"];

/// Modules of each rank, the lowest first. A module imports from ranks below its own and from itself.
const RANKS: [&[&str]; 6] = [
    &["record"],
    &["capture", "tail", "identity", "line", "seam", "buffer", "state", "sink"],
    &["config", "metrics"],
    &["agent"],
    &["logging"],
    &["cli"],
];

/// The module of the collector that `path` belongs to.
pub(super) fn module(path: &Path) -> Option<&str> {
    let Component::Normal(first) = path.strip_prefix(ROOT).ok()?.components().next()? else {
        return None;
    };
    Path::new(first).file_stem()?.to_str().filter(|name| !OUTSIDE.contains(name))
}

/// Checks every `crate::` path in `code`, the source of a file of `module`.
pub(super) fn imports(module: &str, code: &str) -> Vec<Finding> {
    let Some(own) = rank(module) else {
        let text = format!("`{module}` has no rank: add it to `xtask/src/tidy/rank.rs`");
        return vec![Finding::error(0, text)];
    };
    let mut findings = Vec::new();
    for (at, root) in code.match_indices("crate::") {
        let line = 1 + code[..at].matches('\n').count();
        for name in names(&code[at + root.len()..]) {
            // What is no module is an item of the crate's root.
            if name != module && rank(name).is_some_and(|other| other >= own) {
                let text = format!("`{module}` imports `crate::{name}`, which is not below it");
                findings.push(Finding::error(line, text));
            }
        }
    }
    findings
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

/// The first segments of a path or of a braced group of paths.
fn names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(module: &str, code: &str) -> Vec<usize> {
        imports(module, code).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn paths_name_their_module() {
        assert_eq!(module(Path::new("collector/src/sink/kafka.rs")), Some("sink"));
        assert_eq!(module(Path::new("collector/src/metrics.rs")), Some("metrics"));
        assert_eq!(module(Path::new("collector/src/lib.rs")), None);
        assert_eq!(module(Path::new("xtask/src/run.rs")), None);
    }

    #[test]
    fn imports_go_down_only() {
        assert_eq!(lines("sink", "use crate::record::Record;\nuse crate::sink::batch;"), NONE);
        assert_eq!(lines("sink", "\nuse crate::line::Line;"), [2]);
        assert_eq!(lines("record", "use crate::sink;"), [1]);
        assert_eq!(lines("config", "fn f(_: crate::agent::Agent) {}"), [1]);
        assert_eq!(lines("cli", "use crate::{logging, agent};"), NONE);
        assert_eq!(lines("agent", "use crate::cli;"), [1]);
    }

    #[test]
    fn groups_are_looked_into() {
        let group = "use crate::{\n    record::{Chunk, sink},\n    buffer::Buffer,\n};";
        assert_eq!(lines("agent", group), NONE);
        assert_eq!(lines("line", group), [1]);
        assert_eq!(names("{a::{b, c}, d, }"), ["a", "d", ""]);
        assert_eq!(names("{}"), [""]);
    }

    #[test]
    fn a_new_module_needs_a_rank() {
        assert_eq!(lines("transform", ""), [0]);
    }
}
