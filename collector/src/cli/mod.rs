//! The command line. One file a verb; a verb prints, everything below returns values.

mod completions;
mod containers;
mod doctor;
mod outcome;
mod reference;
mod run;
mod validate;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Environment};

/// Read when neither `--config` nor its variable names a file, if it is there.
const DEFAULT_FILE: &str = "/etc/writetap/writetap.yaml";

/// Collects the logs of this node's containers where they are written: at the system call.
///
/// Without a configuration, every line of every container goes to stdout.
#[derive(Debug, Parser)]
#[command(name = "writetap", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file [default: /etc/writetap/writetap.yaml if it exists, else built-in defaults]
    #[arg(
        long,
        short,
        global = true,
        env = "WRITETAP_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    config: Option<PathBuf>,

    #[command(flatten)]
    run: run::Options,

    #[command(subcommand)]
    verb: Option<Verb>,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 64 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Collect until stopped; what happens without a command
    Run(run::Options),
    /// Check a configuration file and report everything wrong with it
    Validate(validate::Options),
    /// Tell what this machine allows, what is missing and how to get it
    Doctor(doctor::Options),
    /// List the containers of this node and how their output is read
    Containers(containers::Options),
    /// Print the completion script of a shell
    Completions(completions::Options),
    /// Write or check the generated files of `deploy/`
    #[command(hide = true)]
    Reference(reference::Options),
}

/// Runs the command line of `args`, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>, environment: &Environment<'_>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return outcome::of_parsing(&error),
    };
    let context = Context { file: cli.config, environment };
    let out = &mut io::stdout();
    let outcome = match cli.verb {
        None => run::run(&cli.run, &context),
        Some(Verb::Run(options)) => run::run(&options, &context),
        Some(Verb::Validate(options)) => validate::run(&options, &context, out),
        Some(Verb::Doctor(options)) => doctor::run(&options, &context, out),
        Some(Verb::Containers(options)) => containers::run(&options, &context, out),
        Some(Verb::Completions(options)) => completions::run(&options, out),
        Some(Verb::Reference(options)) => reference::run(&options),
    };
    outcome::report(outcome, &mut io::stderr(), context.has_color(io::stderr().is_terminal()))
}

/// What every verb may need.
struct Context<'a> {
    /// What `--config` or its variable names.
    file: Option<PathBuf>,
    environment: &'a Environment<'a>,
}

impl Context<'_> {
    /// The file that applies, if there is one.
    fn file(&self) -> Option<&Path> {
        let default = Path::new(DEFAULT_FILE);
        // Only what is known to be absent is passed over: an unreadable file is to be reported.
        let is_absent = || default.try_exists().is_ok_and(|exists| !exists);
        match &self.file {
            Some(file) => Some(file),
            None if is_absent() => None,
            None => Some(default),
        }
    }

    /// The configuration that applies, or every problem of it.
    fn config(&self) -> Result<Config, crate::config::Error> {
        match self.file() {
            Some(file) => Config::load(file, self.environment),
            None => Config::embedded(self.environment),
        }
    }

    /// Whether to colour what goes to a terminal or not. <https://no-color.org>
    fn has_color(&self, is_terminal: bool) -> bool {
        is_terminal && (self.environment)("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}
