//! How a verb ends: what is said on stderr, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config;

/// Wrong usage or configuration: `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// What a verb comes to.
pub(super) type Outcome = Result<(), Failure>;

/// Why a verb failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line or the configuration is wrong.
    Usage(anyhow::Error),
    /// It could not be done.
    Failed(anyhow::Error),
    /// It was done, and what was found on stdout is bad news.
    Found,
    /// Nobody takes what it prints.
    Output(io::Error),
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::Usage(error.into())
    }
}

/// From what goes to stdout; other I/O errors get their context and become [`Failure::Failed`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Says what failed and gives the exit code.
pub(super) fn report(outcome: Outcome, stderr: &mut dyn Write, colored: bool) -> ExitCode {
    let (code, message) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        // The reader has seen enough, as in `writetap containers | head -1`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Found) => return ExitCode::FAILURE,
        Err(Failure::Usage(error)) => (ExitCode::from(USAGE), format!("{error:#}")),
        Err(Failure::Failed(error)) => (ExitCode::FAILURE, format!("{error:#}")),
        Err(Failure::Output(error)) => {
            (ExitCode::FAILURE, format!("failed to write to stdout: {error}"))
        }
    };
    let (start, end) = if colored { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // With stderr gone there is nobody left to tell.
    writeln!(stderr, "{start}error:{end} {message}").ok();
    code
}

/// The exit code of a command line that asks for help or the version, or is wrong; clap's text is printed.
pub(super) fn of_parsing(error: &clap::Error) -> ExitCode {
    error.print().ok();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    /// Exit code and stderr.
    fn reported(outcome: Outcome, colored: bool) -> (ExitCode, String) {
        let mut stderr = Vec::new();
        let code = report(outcome, &mut stderr, colored);
        (code, String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn each_outcome_has_its_code_and_words() {
        let failed = || Err(Failure::Failed(anyhow!("cause").context("what failed")));
        let usage = Err(Failure::Usage(anyhow!("wrong")));
        let closed = Err(Failure::Output(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(reported(Ok(()), false), (ExitCode::SUCCESS, String::new()));
        assert_eq!(reported(closed, false), (ExitCode::SUCCESS, String::new()));
        assert_eq!(reported(Err(Failure::Found), false), (ExitCode::FAILURE, String::new()));
        assert_eq!(reported(usage, false), (ExitCode::from(64), "error: wrong\n".to_owned()));
        let plain = "error: what failed: cause\n".to_owned();
        assert_eq!(reported(failed(), false), (ExitCode::FAILURE, plain));
        let colored = "\x1b[1;31merror:\x1b[0m what failed: cause\n".to_owned();
        assert_eq!(reported(failed(), true), (ExitCode::FAILURE, colored));
    }
}
