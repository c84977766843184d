//! One life of a container: from its cgroup's making to its removal. Holds its bytes until it has a name, then makes
//! lines of them.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::hold::{Budget, Hold};
use super::outgoing::Outgoing;
use crate::line::{self, Assembler};
use crate::record::{Chunk, Container, ContainerId, Line, Stream, Timestamp};

/// Where lines go, and how they are made.
pub(super) struct Output<'a> {
    pub(super) outgoing: Outgoing<'a>,
    pub(super) settings: &'a line::Settings,
    pub(super) metrics: &'a line::Metrics,
}

/// A container that is captured.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: ContainerId,
    identity: Identity,
    streams: [StreamState; 2],
    /// When its cgroup was removed.
    pub(super) ended: Option<Instant>,
    /// The probe's map was seen to say that it is gone; the ring may still hold bytes of it.
    pub(super) seen_gone: bool,
}

#[derive(Debug)]
enum Identity {
    Waiting(Box<Hold>),
    Known(Arc<Container>),
}

#[derive(Debug, Default)]
struct StreamState {
    assembler: Assembler,
    /// The probe's count of lost bytes at the last chunk.
    lost_bytes: u64,
}

impl Life {
    /// A container of which only the id is known.
    pub(super) fn new(id: ContainerId) -> Self {
        let identity = Identity::Waiting(Box::default());
        Self { id, identity, streams: Default::default(), ended: None, seen_gone: false }
    }

    /// Whether it has no name yet.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.identity, Identity::Waiting(_))
    }

    /// Takes bytes. `lost_bytes` is the probe's count for the stream. Returns whether there was room for them.
    pub(super) fn push(
        &mut self,
        lost_bytes: u64,
        mut chunk: Chunk<'_>,
        budget: &mut Budget,
        output: &mut Output<'_>,
    ) -> bool {
        let stream = &mut self.streams[chunk.stream.index()];
        // Records of two CPUs may overtake each other between counting and the ring: never below what was seen.
        chunk.lost_before_bytes = lost_bytes.saturating_sub(stream.lost_bytes);
        stream.lost_bytes = stream.lost_bytes.max(lost_bytes);
        match &mut self.identity {
            Identity::Waiting(hold) => hold.push(budget, &chunk),
            Identity::Known(container) => {
                stream.push(&chunk, container, output);
                true
            }
        }
    }

    /// Its name is known, or known anew: what was held becomes lines.
    pub(super) fn resolve(
        &mut self,
        container: &Arc<Container>,
        budget: &mut Budget,
        output: &mut Output<'_>,
    ) {
        let identity = Identity::Known(Arc::clone(container));
        if let Identity::Waiting(hold) = mem::replace(&mut self.identity, identity) {
            hold.release(budget, |chunk| {
                self.streams[chunk.stream.index()].push(chunk, container, output);
            });
            if self.ended.is_some() {
                self.finish(output);
            }
        }
    }

    /// Nothing more will come: open lines end as they are.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        let metrics = output.metrics;
        for (stream, state) in Stream::ALL.iter().zip(&mut self.streams) {
            let emit = &mut |line: Line<'_>| output.outgoing.push(container, *stream, &line);
            state.assembler.finish(metrics, emit);
        }
    }

    /// Ends lines that nobody has continued for long. `now`: everything written before it has been pushed.
    pub(super) fn flush_idle(&mut self, now: Timestamp, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        let Output { settings, metrics, .. } = *output;
        for (stream, state) in Stream::ALL.iter().zip(&mut self.streams) {
            if state.assembler.next_flush(settings).is_some_and(|due| due <= now) {
                let emit = &mut |line: Line<'_>| output.outgoing.push(container, *stream, &line);
                state.assembler.flush_idle(now, settings, metrics, emit);
            }
        }
    }

    /// Whether some line of it is open.
    pub(super) fn has_open_line(&self, settings: &line::Settings) -> bool {
        self.streams.iter().any(|stream| stream.assembler.next_flush(settings).is_some())
    }
}

impl StreamState {
    fn push(&mut self, chunk: &Chunk<'_>, container: &Arc<Container>, output: &mut Output<'_>) {
        let Output { settings, metrics, .. } = *output;
        let emit = &mut |line: Line<'_>| output.outgoing.push(container, chunk.stream, &line);
        self.assembler.push(chunk, settings, metrics, emit);
    }
}
