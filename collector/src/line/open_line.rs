//! A line whose newline has not come yet. Not who continues it: [`super::Assembler`] decides that.

use prometheus_client::metrics::counter::Counter;

use super::Metrics;
use crate::record::{Chunk, Line, Mode, Timestamp, Writer};

/// Capacity of a line's first buffer.
const FIRST_BYTES: usize = 256;

/// Whose next bytes continue a line. A source that names no writer has one writer, `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Whoever writes next.
    Anyone,
    /// The process with this pid.
    Process(Option<u32>),
    /// The write that is under way in the thread with this pid and tid. Other threads of the process may write between
    /// two chunks of it.
    Write(Option<(u32, u32)>),
}

impl Owner {
    /// The process that wrote `chunk`.
    pub(super) fn process_of(chunk: &Chunk<'_>) -> Self {
        Self::Process(chunk.writer.map(|writer| writer.pid))
    }

    /// The write that `chunk` is of.
    pub(super) fn write_of(chunk: &Chunk<'_>) -> Self {
        Self::Write(chunk.writer.map(|writer| (writer.pid, writer.tid)))
    }

    /// Whether `chunk` was written by this owner, which is not anyone.
    pub(super) fn wrote(self, chunk: &Chunk<'_>) -> bool {
        match self {
            Self::Anyone => false,
            Self::Process(pid) => pid == chunk.writer.map(|writer| writer.pid),
            Self::Write(ids) => ids.map(|(pid, _)| pid) == chunk.writer.map(|writer| writer.pid),
        }
    }
}

/// The bytes of a line so far, with what its first byte says of it.
#[derive(Debug)]
pub(super) struct OpenLine {
    body: Vec<u8>,
    time: Timestamp,
    mode: Mode,
    writer: Option<Writer>,
    sequence: u64,
    index: u32,
    /// The line was longer than the limit and is emitted; its rest is discarded.
    emitted: bool,
    /// A loss hit the line, or may have.
    pub(super) lost: bool,
    pub(super) owner: Owner,
    /// When its last byte was written.
    pub(super) touched: Timestamp,
}

impl OpenLine {
    /// An empty line that begins in `chunk` as its line number `index`.
    pub(super) fn begin(chunk: &Chunk<'_>, index: u32, lost: bool) -> Self {
        Self {
            body: Vec::new(),
            time: chunk.time,
            mode: chunk.mode,
            writer: chunk.writer,
            sequence: chunk.sequence,
            index,
            emitted: false,
            lost,
            owner: Owner::process_of(chunk),
            touched: chunk.time,
        }
    }

    /// Adds bytes without a newline. The line is emitted once it is longer than `max_bytes`, and its memory released.
    pub(super) fn extend(
        &mut self,
        bytes: &[u8],
        max_bytes: usize,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        let room = if self.emitted { 0 } else { max_bytes.saturating_sub(self.body.len()) };
        let (kept, discarded) = bytes.split_at(bytes.len().min(room));
        self.reserve(kept.len(), max_bytes);
        self.body.extend_from_slice(kept);
        if discarded.is_empty() {
            return;
        }
        metrics.discarded_bytes.inc_by(discarded.len() as u64);
        if !self.emitted {
            metrics.truncated_too_long.inc();
            emit(Line { truncated: true, ..self.line() });
            self.body = Vec::new();
            self.emitted = true;
        }
    }

    /// The line has all its bytes.
    pub(super) fn close(self, metrics: &Metrics, emit: &mut impl FnMut(Line<'_>)) {
        if self.emitted {
            return;
        }
        if self.lost {
            metrics.truncated_lost.inc();
        }
        emit(self.line());
    }

    /// The line will not get its newline; `reason` counts why.
    pub(super) fn flush(
        self,
        reason: &Counter,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        if !self.emitted {
            reason.inc();
        }
        self.close(metrics, emit);
    }

    /// As [`OpenLine::flush`], when nothing more is awaited: a write that is still under way will not get its rest.
    pub(super) fn expire(
        mut self,
        reason: &Counter,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        self.lost |= matches!(self.owner, Owner::Write(_));
        self.flush(reason, metrics, emit);
    }

    /// Memory of the line's bytes, used or not.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Grows the buffer as `Vec` does, from a size that most lines fit in, but never past `max_bytes`: the bound on
    /// memory holds for capacity too.
    fn reserve(&mut self, additional: usize, max_bytes: usize) {
        let needed = self.body.len() + additional;
        if needed > self.body.capacity() {
            let grown = (self.body.capacity() * 2).max(FIRST_BYTES).min(max_bytes);
            self.body.reserve_exact(needed.max(grown) - self.body.len());
        }
    }

    fn line(&self) -> Line<'_> {
        Line {
            body: &self.body,
            time: self.time,
            mode: self.mode,
            writer: self.writer,
            sequence: self.sequence,
            index: self.index,
            truncated: self.lost,
        }
    }
}
