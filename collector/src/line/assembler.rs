//! The open lines of one stream, and which of them a chunk continues.

use std::mem;

use super::open_line::{OpenLine, Owner};
use super::split::split_line;
use super::{BLOCK_BYTES, Metrics, Partial, Settings};
use crate::record::{Chunk, Line, Stream, Timestamp};

/// Makes lines of the chunks of one stream of one container.
#[derive(Debug, Default)]
pub struct Assembler {
    /// In the order in which the lines began.
    open: Vec<OpenLine>,
    /// Bytes were lost, and no byte has come since.
    after_loss: bool,
}

impl Assembler {
    /// Takes the next chunk of the stream and emits the lines that it completes, in order.
    pub fn push(
        &mut self,
        chunk: &Chunk<'_>,
        settings: &Settings,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        if chunk.lost_before_bytes > 0 || self.lacks_end_of_write(chunk) {
            self.interrupt(chunk, metrics, emit);
        }
        let mut rest = chunk.payload;
        if rest.is_empty() {
            return;
        }
        let mut lost = mem::take(&mut self.after_loss);
        if let Some(at) = self.continued_by(chunk) {
            let mut line = self.open.remove(at);
            line.lost |= mem::take(&mut lost);
            let Some((end, after)) = split_line(rest) else {
                line.extend(rest, settings.max_bytes, metrics, emit);
                return self.keep(at, line, chunk, settings, metrics, emit);
            };
            line.extend(end, settings.max_bytes, metrics, emit);
            line.close(metrics, emit);
            rest = after;
        }
        let mut index = 0;
        while let Some((body, after)) = split_line(rest) {
            let lost = mem::take(&mut lost);
            let (kept, discarded) = body.split_at(body.len().min(settings.max_bytes));
            if !discarded.is_empty() {
                metrics.truncated_too_long.inc();
                metrics.discarded_bytes.inc_by(discarded.len() as u64);
            } else if lost {
                metrics.truncated_lost.inc();
            }
            emit(Line {
                body: kept,
                time: chunk.time,
                mode: chunk.mode,
                writer: chunk.writer,
                sequence: chunk.sequence,
                index,
                truncated: lost || !discarded.is_empty(),
            });
            index += 1;
            rest = after;
        }
        if !rest.is_empty() {
            let mut line = OpenLine::begin(chunk, index, lost);
            line.extend(rest, settings.max_bytes, metrics, emit);
            self.keep(self.open.len(), line, chunk, settings, metrics, emit);
        }
    }

    /// Emits the lines that nobody has continued for `idle_flush`.
    ///
    /// Time is that of the chunks: call it when every chunk written before `now` has been pushed, or a line is cut whose
    /// rest is only late.
    pub fn flush_idle(
        &mut self,
        now: Timestamp,
        settings: &Settings,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        // Touched in the future: the clock was set back.
        let is_ahead =
            |line: &&mut OpenLine| line.touched.saturating_since(now) > settings.idle_flush;
        self.open.iter_mut().filter(is_ahead).for_each(|line| line.touched = now);
        let is_idle =
            |line: &mut OpenLine| now.saturating_since(line.touched) >= settings.idle_flush;
        for line in self.open.extract_if(.., is_idle) {
            line.expire(&metrics.flushed_idle, metrics, emit);
        }
    }

    /// Drops what is open, and all up to the next newline: somebody else has it whole.
    pub fn abandon(&mut self) {
        self.open = Vec::new();
        self.after_loss = true;
    }

    /// Whether no line is open.
    pub const fn is_between_lines(&self) -> bool {
        self.open.is_empty()
    }

    /// Emits what is left: the stream has ended.
    pub fn finish(&mut self, metrics: &Metrics, emit: &mut impl FnMut(Line<'_>)) {
        self.after_loss = false;
        for line in mem::take(&mut self.open) {
            line.expire(&metrics.flushed_ended, metrics, emit);
        }
    }

    /// Memory held for open lines between two calls, in bytes: at most `max_bytes × (1 + max_partial_writers)`.
    pub fn memory_bytes(&self) -> usize {
        self.open.iter().map(OpenLine::capacity_bytes).sum()
    }

    /// Whether a new write begins although the writer's last one has not ended: its rest was lost.
    fn lacks_end_of_write(&self, chunk: &Chunk<'_>) -> bool {
        let write = Owner::write_of(chunk);
        chunk.offset_bytes == 0 && self.open.iter().any(|line| line.owner == write)
    }

    /// Ends or marks the lines that a loss before `chunk` may have hit.
    fn interrupt(&mut self, chunk: &Chunk<'_>, metrics: &Metrics, emit: &mut impl FnMut(Line<'_>)) {
        self.after_loss = true;
        for line in &mut self.open {
            line.lost = true;
        }
        let ends = |line: &mut OpenLine| line.owner == Owner::Anyone || line.owner.wrote(chunk);
        for line in self.open.extract_if(.., ends) {
            line.close(metrics, emit);
        }
    }

    /// Place of the open line that goes on in `chunk`.
    fn continued_by(&self, chunk: &Chunk<'_>) -> Option<usize> {
        let place = |owner| self.open.iter().position(|line| line.owner == owner);
        if chunk.offset_bytes > 0 {
            return place(Owner::write_of(chunk));
        }
        place(Owner::process_of(chunk)).or_else(|| place(Owner::Anyone))
    }

    /// Keeps a line open that `chunk` has left without its newline.
    fn keep(
        &mut self,
        at: usize,
        mut line: OpenLine,
        chunk: &Chunk<'_>,
        settings: &Settings,
        metrics: &Metrics,
        emit: &mut impl FnMut(Line<'_>),
    ) {
        line.touched = chunk.time;
        line.owner = self.owner_after(chunk, settings);
        self.open.insert(at, line);

        let waiting = self.open.iter().filter(|line| line.owner != Owner::Anyone).count();
        for _ in settings.max_partial_writers..waiting {
            if let Some(longest) = self.longest_waiting() {
                self.open.remove(longest).flush(&metrics.flushed_crowded, metrics, emit);
            }
        }
    }

    /// Who continues the line that is open at the end of `chunk`.
    fn owner_after(&self, chunk: &Chunk<'_>, settings: &Settings) -> Owner {
        let end_bytes = u64::from(chunk.offset_bytes) + chunk.payload.len() as u64;
        if end_bytes < u64::from(chunk.write_bytes) {
            return Owner::write_of(chunk);
        }
        let shared = match settings.partial {
            Partial::Auto => chunk.write_bytes < BLOCK_BYTES && chunk.stream != Stream::Daemon,
            Partial::Shared => true,
            Partial::PerWriter => false,
        };
        if shared && self.open.iter().all(|line| line.owner != Owner::Anyone) {
            Owner::Anyone
        } else {
            Owner::process_of(chunk)
        }
    }

    /// Place of the line that waits for its own process and has waited longest.
    fn longest_waiting(&self) -> Option<usize> {
        let waiting = self.open.iter().enumerate().filter(|(_, line)| line.owner != Owner::Anyone);
        waiting.min_by_key(|(_, line)| line.touched).map(|(at, _)| at)
    }
}
