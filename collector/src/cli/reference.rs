//! `reference`: the generated files of `deploy/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Command, CommandFactory as _};

use super::Cli;
use super::outcome::Outcome;
use crate::config::reference;

/// What to do, and where.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write the files
    Write {
        /// The folder `deploy`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Fail when one of them is not as it would be written
    Check {
        /// The folder `deploy`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

pub(super) fn run(options: &Options) -> Outcome {
    match &options.action {
        Action::Write { folder } => write(folder)?,
        Action::Check { folder } => check(folder)?,
    }
    Ok(())
}

/// Every generated file: its path below `deploy` and its content.
fn files() -> [(&'static str, String); 4] {
    [
        ("writetap.yaml", reference::example()),
        ("reference/config.md", reference::page()),
        ("reference/config.schema.json", reference::schema()),
        ("reference/cli.md", commands()),
    ]
}

fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("reference"))
        .with_context(|| format!("failed to create `{}`", folder.join("reference").display()))?;
    for (path, content) in files() {
        let path = folder.join(path);
        fs::write(&path, content)
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

fn check(folder: &Path) -> anyhow::Result<()> {
    let is_stale = |(path, content): &(&str, String)| {
        fs::read_to_string(folder.join(path)).ok().as_ref() != Some(content)
    };
    let stale: Vec<&str> =
        files().iter().filter(|file| is_stale(file)).map(|(path, _)| *path).collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "not up to date: {}; run `writetap reference write {}`",
        stale.join(", "),
        folder.display()
    )
}

/// The help of every command as Markdown.
fn commands() -> String {
    let title = "# Commands\n\n<!-- Generated from `collector/src/cli/`; change it there. -->\n";
    let mut sections = vec![title.to_owned()];
    let mut root = Cli::command().term_width(100);
    root.build();
    add(&mut root, &mut sections);
    sections.join("\n")
}

fn add(command: &mut Command, sections: &mut Vec<String>) {
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    sections.push(format!("## `{title}`\n\n```text\n{}\n```\n", lines.join("\n")));
    let is_shown = |verb: &&mut Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands_mut().filter(is_shown) {
        add(verb, sections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_checks_and_what_was_changed_does_not() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        check(folder.path()).unwrap();
        fs::write(folder.path().join("reference/cli.md"), "x").unwrap();
        let error = check(folder.path()).unwrap_err().to_string();
        let folder = folder.path().display();
        assert_eq!(
            error,
            format!("not up to date: reference/cli.md; run `writetap reference write {folder}`")
        );
    }
}
