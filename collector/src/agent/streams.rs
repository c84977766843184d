//! The streams of a container: those that its log has as well, and the one that nothing backs.

use super::stream::StreamState;
use crate::record::Stream;
use crate::seam::Seam;

/// Every stream of a container.
#[derive(Debug)]
pub(super) struct Streams {
    /// Stdout and stderr: what capture misses of them is in the log.
    pub(super) logged: [StreamState; 2],
    /// What nobody reads is captured or lost: no log has it, so it is never looked for in one.
    pub(super) daemon: StreamState,
}

impl Streams {
    pub(super) fn new([stdout, stderr]: [Seam; 2], daemon: Seam) -> Self {
        Self {
            logged: [
                StreamState::new(Stream::Stdout, stdout),
                StreamState::new(Stream::Stderr, stderr),
            ],
            daemon: StreamState::new(Stream::Daemon, daemon),
        }
    }

    /// One of them.
    pub(super) const fn of(&mut self, stream: Stream) -> &mut StreamState {
        match stream {
            Stream::Stdout | Stream::Stderr => &mut self.logged[stream.index()],
            Stream::Daemon => &mut self.daemon,
        }
    }

    /// Each with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Stream, &StreamState)> {
        Stream::ALL.into_iter().zip(self.logged.iter().chain([&self.daemon]))
    }

    /// Each.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut StreamState> {
        self.logged.iter_mut().chain([&mut self.daemon])
    }
}
