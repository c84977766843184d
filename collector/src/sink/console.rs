//! Standard output, for a person, a pipe or a supervisor.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::format::{self, Encoder};
use super::{Sink, SinkMetrics};
use crate::record::{Delivery, Receipt};

/// How long one call may wait for the reader of a non-blocking pipe.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How lines are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `pretty` on a terminal, else `json`.
    #[default]
    Auto,
    /// One flat JSON object a line.
    Json,
    /// The body as it was written. What a container prints reaches a terminal as it is.
    Raw,
    /// Time, container name, stream and body: coloured, aligned, control characters made harmless.
    Pretty,
}

/// What the console sink is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How lines are shown. Default: `auto`.
    pub format: Format,
}

/// Why standard output does not take lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("failed to open standard output: {source}; start the agent with it open")]
    Open {
        /// Why.
        source: io::Error,
    },
    /// It failed.
    #[error("failed to write to standard output: {source}")]
    Write {
        /// Why.
        source: io::Error,
    },
    /// Its reader takes nothing.
    #[error("the reader of standard output does not read")]
    Stalled,
}

/// Writes each batch with one call, as far as the reader takes it.
#[derive(Debug)]
pub struct Console {
    output: File,
    encoder: Encoder,
    metrics: SinkMetrics,
    text: Vec<u8>,
    written: usize,
    pending: Option<(Receipt, usize)>,
}

impl Console {
    /// Opens standard output. The descriptor is duplicated, so that no other writer's buffer lies between.
    pub fn open(settings: &Settings, metrics: SinkMetrics) -> Result<Self, Error> {
        let output = rustix::stdio::stdout()
            .try_clone_to_owned()
            .map_err(|source| Error::Open { source })?;
        Ok(Self::new(File::from(output), settings, metrics))
    }

    fn new(output: File, settings: &Settings, metrics: SinkMetrics) -> Self {
        let format = match settings.format {
            Format::Auto if output.is_terminal() => format::Format::Pretty,
            Format::Auto | Format::Json => format::Format::Json,
            Format::Raw => format::Format::Raw,
            Format::Pretty => format::Format::Pretty,
        };
        let encoder = Encoder::new(format);
        Self { output, encoder, metrics, text: Vec::new(), written: 0, pending: None }
    }

    /// Writes what is left. A pipe that somebody made non-blocking is waited for.
    fn flush(&mut self) -> Result<(), super::Error> {
        while self.written < self.text.len() {
            match self.output.write(&self.text[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(super::Error::Closed);
                }
                Err(source) => return Err(Error::Write { source }.into()),
            }
        }
        if let Some((receipt, records)) = self.pending.take() {
            self.metrics.accepted(records, self.text.len());
            receipt.acknowledge();
        }
        self.text.clear();
        self.written = 0;
        Ok(())
    }

    fn wait(&self) -> Result<(), Error> {
        let mut wanted = [PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::OUT)];
        match poll(&mut wanted, Some(&PATIENCE)) {
            Ok(0) => Err(Error::Stalled),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(source) => Err(Error::Write { source: source.into() }),
        }
    }
}

impl Sink for Console {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), super::Error> {
        let Delivery { batch, receipt } = delivery;
        self.encoder.append_lines(&batch, &mut self.text);
        self.pending = Some((receipt, batch.len()));
        self.flush()
    }

    fn tick(&mut self) -> Result<(), super::Error> {
        self.flush()
    }

    fn close(&mut self, deadline: Instant) -> Result<(), super::Error> {
        loop {
            match self.flush() {
                Err(super::Error::Console(Error::Stalled)) if Instant::now() < deadline => {}
                result => return result,
            }
        }
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
