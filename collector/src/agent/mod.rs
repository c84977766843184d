//! The running whole: builds the stages of a configuration, joins them and owns their tasks.

pub mod doctor;

use crate::config::{self, Config};
use crate::record::Container;

/// Why the agent did not run, or ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This build has no stages to run.
    #[error("this build cannot run")]
    Unavailable,
}

/// Runs until SIGTERM or SIGINT, then drains. `reload` reads the configuration anew at SIGHUP.
pub fn run(
    _config: Config,
    _reload: &dyn Fn() -> Result<Config, config::Error>,
) -> Result<(), Error> {
    Err(Error::Unavailable)
}

/// A container of this node and how its output is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The container.
    pub container: Container,
    /// How its output is read, or why it is not.
    pub capture: String,
}

/// The containers that run on this node, as the agent would see them.
pub fn containers(_config: &Config) -> Result<Vec<Listed>, Error> {
    Err(Error::Unavailable)
}
