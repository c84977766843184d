//! The project's own rules, which no other tool checks: ranks of modules, sizes, names, and what must not stay open.
//!
//! Each rule is a pure function of one file's text; here they are applied to the tree.

mod rank;
mod rule;
mod source;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use walkdir::{DirEntry, WalkDir};

use crate::{cargo::Metadata, command::Step, workspace::Workspace};

/// Something to mend.
#[derive(Debug, PartialEq)]
struct Finding {
    /// Line in the file, from 1; 0 for the file as a whole.
    line: usize,
    text: String,
    /// Whether it only asks for a look.
    warning: bool,
}

impl Finding {
    fn error(line: usize, text: impl Into<String>) -> Self {
        Self { line, text: text.into(), warning: false }
    }
}

pub(crate) fn run(workspace: &Workspace, metadata: &Metadata) -> Result<()> {
    let step = Step::begin("tidy");
    let mut errors = 0;
    let mut report = |path: &Path, findings: Vec<Finding>| {
        for Finding { line, text, warning } in findings {
            let kind = if warning { "warning" } else { "error" };
            eprintln!("{kind}: {}:{line}: {text}", path.display());
            errors += usize::from(!warning);
        }
    };
    let tree = WalkDir::new(workspace.root()).sort_by_file_name();
    for entry in tree.into_iter().filter_entry(is_ours) {
        let entry = entry.context("failed to walk the tree")?;
        let path = entry.path().strip_prefix(workspace.root())?;
        report(path, rule::name(path));
        if path.extension().is_some_and(|extension| extension == "rs") {
            report(path, file(path, &read(entry.path())?));
        }
    }
    for manifest in &metadata.manifests {
        report(manifest, rule::member(&read(manifest)?));
    }
    let changelog = Path::new("CHANGELOG.md");
    report(changelog, rule::changelog(&read(&workspace.root().join(changelog))?));
    if errors > 0 {
        bail!("{errors} findings");
    }
    step.end();
    Ok(())
}

/// Every rule for a Rust file.
fn file(path: &Path, text: &str) -> Vec<Finding> {
    let code = source::code(text);
    let mut findings = rule::size(path, &code);
    findings.extend(rule::open_ends(&code));
    if let Some(module) = rank::module(path) {
        findings.extend(rank::imports(module, &code));
    }
    findings
}

/// Not: what Git and Cargo put into the tree.
fn is_ours(entry: &DirEntry) -> bool {
    !(entry.file_type().is_dir()
        && [".git", "target"].iter().any(|name| entry.file_name() == *name))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))
}
