//! A container that is collected. Holds its bytes until it has a name, then makes lines of them, from whichever source.

mod log;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backing::{Backing, Logs};
use super::hold::{Budget, Hold};
use super::stream::{Output, StreamState};
use super::streams::Streams;
use crate::record::{Chunk, Container, ContainerId, Mode, Stream, Timestamp};
use crate::state::StreamCheckpoint;

/// How long after a container's end its log has to be still to be complete.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A container, and where its lines come from.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: ContainerId,
    identity: Identity,
    pub(super) streams: Streams,
    pub(super) backing: Backing,
    /// Nothing is captured of it: its cgroup is gone, or was never seen.
    pub(super) ended: Option<Instant>,
    /// The probe's map was seen to say that its cgroup is gone; the ring may still hold bytes of it.
    pub(super) seen_gone: bool,
    /// All that it wrote was handed on.
    is_complete: bool,
    /// When its log was last found to have grown.
    grew: Option<Instant>,
    /// When its captured lines were looked for in its log.
    anchored: Option<Instant>,
}

#[derive(Debug)]
enum Identity {
    Waiting(Box<Hold>),
    Known(Arc<Container>),
}

impl Life {
    /// A container of which only the id is known.
    pub(super) fn new(id: ContainerId, streams: Streams, backing: Backing) -> Self {
        let identity = Identity::Waiting(Box::default());
        let mut life = Self {
            id,
            identity,
            streams,
            backing,
            ended: None,
            seen_gone: false,
            is_complete: false,
            grew: None,
            anchored: None,
        };
        life.seek();
        life
    }

    /// A cgroup of it was made.
    pub(super) fn begin(&mut self) {
        (self.ended, self.seen_gone, self.is_complete) = (None, false, false);
        self.streams.iter_mut().for_each(StreamState::begin);
    }

    /// Whether it has no name yet.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.identity, Identity::Waiting(_))
    }

    /// Whether it can be forgotten: it has a name, has ended, and no log from which more may come.
    pub(super) fn is_over(&mut self) -> bool {
        self.ended.is_some() && !self.is_waiting() && self.backing.log().is_none()
    }

    /// Whether lines of it come from its log.
    pub(super) fn is_reading(&self) -> bool {
        self.streams.logged.iter().any(|stream| stream.seam.is_reading())
    }

    /// Takes bytes. `lost_bytes` is the probe's count for the stream. Returns whether there was room for them.
    pub(super) fn push(
        &mut self,
        lost_bytes: u64,
        mut chunk: Chunk<'_>,
        budget: &mut Budget,
        logs: Option<&Logs>,
        output: &mut Output<'_>,
    ) -> bool {
        let stream = self.streams.of(chunk.stream);
        chunk.lost_before_bytes = stream.lost_before(lost_bytes);
        match &mut self.identity {
            Identity::Waiting(hold) => return hold.push(budget, &chunk),
            Identity::Known(container) if chunk.lost_before_bytes == 0 => {
                stream.push(&chunk, container, output);
            }
            Identity::Known(_) => self.push_after_loss(&chunk, logs, output),
        }
        true
    }

    /// Bytes of a stream were lost, up to the probe's count `lost_bytes`, and no chunk came since.
    pub(super) fn lose(
        &mut self,
        stream: Stream,
        lost_bytes: u64,
        time: Timestamp,
        logs: Option<&Logs>,
        output: &mut Output<'_>,
    ) {
        let lost_before_bytes = self.streams.of(stream).lost_before(lost_bytes);
        if lost_before_bytes > 0 {
            self.lose_bytes(stream, lost_before_bytes, time, logs, output);
        }
    }

    /// So many bytes of a stream were lost just now.
    pub(super) fn lose_bytes(
        &mut self,
        stream: Stream,
        lost_before_bytes: u64,
        time: Timestamp,
        logs: Option<&Logs>,
        output: &mut Output<'_>,
    ) {
        let chunk = Chunk {
            stream,
            mode: Mode::Ebpf,
            time,
            writer: None,
            sequence: 0,
            write_bytes: 0,
            offset_bytes: 0,
            lost_before_bytes,
            payload: &[],
        };
        match &mut self.identity {
            Identity::Known(_) => self.push_after_loss(&chunk, logs, output),
            Identity::Waiting(hold) => hold.lose(&chunk),
        }
    }

    /// What was lost before `chunk` comes from the log, if there is one; else a record stands for it.
    fn push_after_loss(&mut self, chunk: &Chunk<'_>, logs: Option<&Logs>, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        let container = Arc::clone(container);
        let is_logged = Stream::LOGGED.contains(&chunk.stream);
        let logs = logs.filter(|_| is_logged);
        let is_backed = logs.is_some_and(|logs| self.backing.open(&self.id, logs, output.now));
        let stream = self.streams.of(chunk.stream);
        if is_backed {
            stream.read_again();
            stream.push(&Chunk { lost_before_bytes: 0, ..*chunk }, &container, output);
            self.seek();
        } else {
            let lost_bytes = chunk.lost_before_bytes;
            // Ends the lines that the loss hit, before the record.
            stream.push(&Chunk { payload: &[], ..*chunk }, &container, output);
            stream.lost(lost_bytes, chunk.time, &container, output);
            stream.push(&Chunk { lost_before_bytes: 0, ..*chunk }, &container, output);
        }
    }

    /// Writes may be missing, of whichever stream: what its log has since the last anchor is read again.
    pub(super) fn read_again(&mut self, logs: &Logs, output: &Output<'_>) {
        if !self.is_waiting() && self.backing.open(&self.id, logs, output.now) {
            self.streams.logged.iter_mut().for_each(StreamState::read_again);
            self.seek();
        }
    }

    /// Its name is known, or known anew: what was held becomes lines.
    pub(super) fn resolve(
        &mut self,
        container: &Arc<Container>,
        budget: &mut Budget,
        logs: Option<&Logs>,
        output: &mut Output<'_>,
    ) {
        let identity = Identity::Known(Arc::clone(container));
        if let Identity::Waiting(hold) = mem::replace(&mut self.identity, identity) {
            for stream in &mut self.streams.logged {
                stream.report_lost_place(container, output);
            }
            hold.release(budget, |chunk| {
                if chunk.lost_before_bytes == 0 {
                    self.streams.of(chunk.stream).push(chunk, container, output);
                } else {
                    self.push_after_loss(chunk, logs, output);
                }
            });
            if self.ended.is_some() {
                self.end_capture(output);
            }
        }
    }

    /// Its cgroup is gone, and all captured bytes were pushed.
    pub(super) fn end(&mut self, logs: Option<&Logs>, output: &mut Output<'_>) {
        self.ended = Some(output.now);
        self.end_capture(output);
        if let Some(logs) = logs {
            self.backing.open(&self.id, logs, output.now);
        }
    }

    /// The agent stops: open lines end as they are.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) {
        self.end_capture(output);
    }

    fn end_capture(&mut self, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        for stream in self.streams.iter_mut() {
            stream.end_capture(container, output);
        }
    }

    /// What was handed on last of streams that no log backs: for a collector that captures them already.
    pub(super) fn last_lines(&self) -> impl Iterator<Item = StreamCheckpoint> {
        let is_backed = |stream| self.backing.is_open() && Stream::LOGGED.contains(&stream);
        let unbacked = self.streams.iter().filter(move |(stream, _)| !is_backed(*stream));
        unbacked.filter_map(|(stream, state)| {
            let (recent, written) = state.seam.recent();
            // Where nothing was captured, the time gives a later number than any before.
            if stream == Stream::Daemon && written.is_none() {
                return None;
            }
            let (container, number) = (self.id, state.seam.number());
            Some(StreamCheckpoint { container, stream, number, place: None, recent, written })
        })
    }

    /// Ends lines that nobody has continued for long. `now`: everything written before it has been pushed.
    pub(super) fn flush_idle(&mut self, now: Timestamp, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        for stream in self.streams.iter_mut() {
            stream.flush_idle(now, container, output);
        }
    }

    /// Whether some captured line of it is open.
    pub(super) fn has_open_line(&self) -> bool {
        self.streams.iter().any(|(_, stream)| stream.has_open_line())
    }
}
