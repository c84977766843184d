//! `run`: collect until stopped.

use std::io::{self, IsTerminal as _};

use super::Context;
use super::outcome::{Failure, Outcome};
use crate::config::Config;
use crate::config::file::{Level, LogFormat};
use crate::{agent, config, logging};

/// Flags that win over the file.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The least severe of the agent's own messages on stderr [default: `log.level` of the configuration]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,

    /// Tell the collector that has the state directory to end, and go on where it left off
    #[arg(long)]
    take_over: bool,

    /// How they are written [default: `log.format` of the configuration]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Options {
    fn apply(&self, mut config: Config) -> Config {
        let Self { log_level, log_format, take_over } = self;
        config.is_taking_over = *take_over;
        config.log.level = log_level.unwrap_or(config.log.level);
        config.log.format = log_format.unwrap_or(config.log.format);
        config
    }
}

pub(super) fn run(options: &Options, context: &Context<'_>) -> Outcome {
    let load = || -> Result<Config, config::Error> { Ok(options.apply(context.config()?)) };
    let config = load()?;
    logging::install(&config.log, context.has_color(io::stderr().is_terminal()))
        .map_err(|error| Failure::Failed(error.into()))?;
    agent::run(config, &load).map_err(|error| Failure::Failed(error.into()))
}
