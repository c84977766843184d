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

#[derive(Debug)]
struct StreamState {
    assembler: Assembler,
    /// Number of the next line.
    number: u64,
    /// The probe's count of lost bytes at the last chunk.
    lost_bytes: u64,
}

impl Life {
    /// A container of which only the id is known.
    pub(super) fn new(id: ContainerId) -> Self {
        let identity = Identity::Waiting(Box::default());
        // Another life's numbers are lower: no line is as short as a nanosecond.
        let number = Timestamp::now().as_nanos();
        let streams = Stream::ALL.map(|_| StreamState::new(number));
        Self { id, identity, streams, ended: None, seen_gone: false }
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
            let StreamState { assembler, number, .. } = state;
            let emit = &mut numbered(&mut output.outgoing, container, *stream, number);
            assembler.finish(metrics, emit);
        }
    }

    /// Ends lines that nobody has continued for long. `now`: everything written before it has been pushed.
    pub(super) fn flush_idle(&mut self, now: Timestamp, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        let Output { settings, metrics, .. } = *output;
        for (stream, state) in Stream::ALL.iter().zip(&mut self.streams) {
            if state.assembler.next_flush(settings).is_some_and(|due| due <= now) {
                let StreamState { assembler, number, .. } = state;
                let emit = &mut numbered(&mut output.outgoing, container, *stream, number);
                assembler.flush_idle(now, settings, metrics, emit);
            }
        }
    }

    /// Whether some line of it is open.
    pub(super) fn has_open_line(&self, settings: &line::Settings) -> bool {
        self.streams.iter().any(|stream| stream.assembler.next_flush(settings).is_some())
    }
}

impl StreamState {
    fn new(number: u64) -> Self {
        Self { assembler: Assembler::default(), number, lost_bytes: 0 }
    }

    fn push(&mut self, chunk: &Chunk<'_>, container: &Arc<Container>, output: &mut Output<'_>) {
        let Output { settings, metrics, .. } = *output;
        let Self { assembler, number, .. } = self;
        let emit = &mut numbered(&mut output.outgoing, container, chunk.stream, number);
        assembler.push(chunk, settings, metrics, emit);
    }
}

/// Hands lines on with their numbers, from `number` on.
fn numbered<'a>(
    outgoing: &'a mut Outgoing<'_>,
    container: &'a Arc<Container>,
    stream: Stream,
    number: &'a mut u64,
) -> impl FnMut(Line<'_>) {
    move |line| {
        outgoing.push(container, stream, *number, &line);
        *number += 1;
    }
}
