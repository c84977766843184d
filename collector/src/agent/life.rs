//! A container that is collected. Holds its bytes until it has a name, then makes lines of them, from whichever source.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backing::{Backing, Logs};
use super::hold::{Budget, Hold};
use super::stream::{Output, StreamState};
use super::streams::Streams;
use crate::record::{Chunk, Container, ContainerId, Mode, Stream, Timestamp};
use crate::state::StreamCheckpoint;
use crate::tail::Lost;

/// Bytes of a log read at a time, before others have their turn.
const READ_BYTES: usize = 256 << 10;

/// How often captured lines are looked for in their log, and after how many of them more often: what is after the last
/// that was found comes again after a crash.
const SELDOM: Duration = Duration::from_secs(5);
const MANY_LINES: u64 = 2000;

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

    /// A while after its end, when its log is still, that is all: what the log gets from then on is read.
    pub(super) fn rest(&mut self, now: Instant) {
        let is_due =
            self.ended.is_some_and(|ended| now.saturating_duration_since(ended) >= LAST_WORDS);
        if !is_due || self.is_waiting() || self.is_complete || self.is_reading() {
            return;
        }
        if let Some(end) = self.backing.still_end() {
            self.is_complete = true;
            for stream in &mut self.streams.logged {
                stream.rest(end);
            }
            self.seek();
        }
    }

    /// The agent stops: open lines end as they are.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) {
        self.end_capture(output);
    }

    /// Whether its log was removed, and all of it was read.
    pub(super) fn is_removed(&self, logs: &Logs) -> bool {
        self.is_complete && self.backing.is_removed(&self.id, logs)
    }

    /// Up to where its streams are handed on, as far as its log tells.
    pub(super) fn checkpoint(&self) -> impl Iterator<Item = StreamCheckpoint> {
        Stream::LOGGED.iter().zip(&self.streams.logged).filter_map(|(stream, state)| {
            let anchor = state.seam.anchor()?;
            let place = Some(self.backing.place_of(anchor.cut)?);
            let (container, recent) = (self.id, Vec::new());
            Some(StreamCheckpoint {
                container,
                stream: *stream,
                number: anchor.number,
                place,
                recent,
                written: None,
            })
        })
    }

    fn end_capture(&mut self, output: &mut Output<'_>) {
        let Identity::Known(container) = &self.identity else { return };
        for stream in self.streams.iter_mut() {
            stream.end_capture(container, output);
        }
    }

    /// Reads on in its log. Returns whether there is more.
    pub(super) fn read_log(&mut self, output: &mut Output<'_>) -> bool {
        let Self { identity, streams: Streams { logged: streams, .. }, backing, .. } = self;
        let Identity::Known(container) = identity else { return false };
        let was_at_end = backing.at_end;
        let Some(log) = backing.log() else { return false };
        let is_dirty = log.take_dirty();
        let (mut moved, mut lost) = (false, Lost::default());
        if is_dirty || !was_at_end {
            let read = log.read(READ_BYTES, &mut |entry| {
                streams[entry.stream.index()].read(&entry, container, output);
            });
            match read {
                Ok(read) => {
                    lost = log.take_lost();
                    moved = read.bytes > 0;
                    backing.at_end = read.at_end;
                }
                Err(error) => {
                    tracing::warn!(container = container.id.short(), %error, "failed to read a log");
                    backing.at_end = true;
                }
            }
        }
        if lost.files > 0
            && let Some(stream) = streams.iter_mut().find(|it| it.seam.is_reading())
        {
            stream.lost_unread(lost, container, output);
        }
        if moved {
            (self.grew, self.is_complete) = (Some(output.now), false);
        }
        if !backing.at_end {
            return moved || lost.files > 0;
        }
        let still = !moved && !is_dirty;
        if let Some(cut) = backing.position() {
            for stream in streams.iter_mut() {
                stream.caught_up(cut, still, container, output);
            }
        }
        // What nobody continues ends as it is, as it does where it is captured.
        let pause = LAST_WORDS.max(output.settings.idle_flush);
        let since = self.ended.map(|ended| self.grew.map_or(ended, |grew| grew.max(ended)));
        let is_over = since.is_some_and(|at| output.now.saturating_duration_since(at) >= pause);
        if still && !self.is_complete && is_over {
            self.is_complete = true;
            for stream in streams {
                stream.finish(container, output);
            }
        }
        if !self.is_reading() {
            self.backing.rest();
        }
        self.release();
        false
    }

    /// Whatever is done now and then is done at the next occasion.
    pub(super) const fn make_due(&mut self) {
        self.anchored = None;
        self.backing.make_due();
    }

    /// Looks where in the log the captured lines are. `drained`: what was written before it has been pushed.
    pub(super) fn anchor(&mut self, drained: Timestamp, logs: &Logs, output: &Output<'_>) {
        let was_open = self.backing.is_open();
        if self.is_waiting() || !self.backing.open(&self.id, logs, output.now) {
            return;
        }
        if !was_open {
            self.streams.logged.iter_mut().for_each(|stream| stream.seam.remember());
        }
        let behind = |stream: &StreamState| match stream.seam.anchor() {
            _ if stream.seam.is_reading() => 0,
            Some(anchor) => stream.seam.number() - anchor.number,
            None => stream.seam.number().max(1),
        };
        let lines: u64 = self.streams.logged.iter().map(behind).max().unwrap_or(0);
        let is_due = self.anchored.is_none_or(|at| output.now - at >= SELDOM);
        if lines == 0 || (lines < MANY_LINES && !is_due) {
            return;
        }
        self.anchored = Some(output.now);
        let (mut lines, still) = self.backing.glance(logs, output.settings);
        for (stream, lines) in self.streams.logged.iter_mut().zip(&mut lines) {
            lines.retain(|line| line.time < drained);
            stream.seam.observe(lines, still, output.now);
        }
        // A stream of which nothing was captured since its anchor has nothing in what was seen of the log either; unless a
        // write is about to return whose bytes have gone all the way to the log.
        let seen = lines.iter().flatten().map(|line| line.cut).max();
        for (stream, own) in self.streams.logged.iter_mut().zip(&lines) {
            let anchored = stream.seam.anchor().map(|anchor| anchor.cut);
            let is_ahead = own.last().is_some_and(|newest| Some(newest.cut) > anchored);
            if stream.seam.is_reading() || stream.has_open_line() || is_ahead {
                continue;
            }
            if let Some(cut) = seen {
                stream.seam.advance(cut);
            }
        }
        self.release();
    }

    /// Lets go of the log's files that nobody goes back to.
    fn release(&mut self) {
        let anchors = self.streams.logged.iter().map(|stream| stream.seam.anchor());
        if let Some(Some(first)) = anchors.map(|anchor| anchor.map(|anchor| anchor.cut)).min() {
            self.backing.release_before(first);
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

    /// Reading goes on where the streams that are read need it.
    fn seek(&mut self) {
        let reading = self.streams.logged.iter().filter(|stream| stream.seam.is_reading());
        let Some(cut) = reading.map(|stream| stream.read_to).min() else { return };
        if !self.backing.seek(cut) {
            for stream in &mut self.streams.logged {
                stream.seam.lost_place();
            }
        }
    }
}
