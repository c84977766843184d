//! `completions`: the completion script of a shell.

use std::io::Write;

use clap::CommandFactory as _;

use super::Cli;
use super::outcome::Outcome;

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

pub(super) fn run(options: &Options, out: &mut dyn Write) -> Outcome {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    out.write_all(&script)?;
    Ok(())
}
