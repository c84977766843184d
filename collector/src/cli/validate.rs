//! `validate`: check a configuration file.

use std::io::Write;
use std::path::PathBuf;

use super::Context;
use super::outcome::Outcome;

/// What to check and print.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The file to check [default: the one that `run` would read]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print the configuration with all defaults filled in; passwords are masked
    #[arg(long)]
    print: bool,
}

pub(super) fn run(options: &Options, context: &Context<'_>, out: &mut dyn Write) -> Outcome {
    let Options { file, print } = options;
    let file = file.clone().or_else(|| context.file.clone());
    let context = Context { file, environment: context.environment };
    let config = context.config()?;
    match context.file() {
        _ if *print => write!(out, "{}", config.to_yaml())?,
        Some(file) => writeln!(out, "{} is valid", file.display())?,
        None => writeln!(out, "no configuration file; the built-in defaults apply")?,
    }
    Ok(())
}
