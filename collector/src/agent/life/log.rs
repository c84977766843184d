//! What a container has in its log: reading on there, and finding its captured lines.

use std::time::{Duration, Instant};

use super::{Identity, LAST_WORDS, Life};
use crate::agent::backing::Logs;
use crate::agent::stream::{Output, StreamState};
use crate::agent::streams::Streams;
use crate::record::{Stream, Timestamp};
use crate::state::StreamCheckpoint;
use crate::tail::Lost;

/// Bytes of a log read at a time, before others have their turn.
const READ_BYTES: usize = 256 << 10;

/// How often captured lines are looked for in their log, and after how many of them more often: what is after the last
/// that was found comes again after a crash.
const SELDOM: Duration = Duration::from_secs(5);
const MANY_LINES: u64 = 2000;

impl Life {
    /// A while after its end, when its log is still, that is all: what the log gets from then on is read.
    pub(in crate::agent) fn rest(&mut self, now: Instant) {
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

    /// Whether its log was removed, and all of it was read.
    pub(in crate::agent) fn is_removed(&self, logs: &Logs) -> bool {
        self.is_complete && self.backing.is_removed(&self.id, logs)
    }

    /// Up to where its streams are handed on, as far as its log tells.
    pub(in crate::agent) fn checkpoint(&self) -> impl Iterator<Item = StreamCheckpoint> {
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

    /// Reads on in its log. Returns whether there is more.
    pub(in crate::agent) fn read_log(&mut self, output: &mut Output<'_>) -> bool {
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
    pub(in crate::agent) const fn make_due(&mut self) {
        self.anchored = None;
        self.backing.make_due();
    }

    /// Looks where in the log the captured lines are. `drained`: what was written before it has been pushed.
    pub(in crate::agent) fn anchor(
        &mut self,
        drained: Timestamp,
        logs: &Logs,
        output: &Output<'_>,
    ) {
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

    /// Reading goes on where the streams that are read need it.
    pub(super) fn seek(&mut self) {
        let reading = self.streams.logged.iter().filter(|stream| stream.seam.is_reading());
        let Some(cut) = reading.map(|stream| stream.read_to).min() else { return };
        if !self.backing.seek(cut) {
            for stream in &mut self.streams.logged {
                stream.seam.lost_place();
            }
        }
    }
}
