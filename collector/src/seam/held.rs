//! Captured lines that wait for the seam.

use std::collections::VecDeque;

use super::LINES;
use super::trail::Trail;
use crate::record::{Line, LineKey, Mode, Timestamp, Writer};

/// The lines, oldest first, within a bound.
#[derive(Debug)]
pub(super) struct Held {
    lines: VecDeque<HeldLine>,
    /// Their keys: as many as there are lines.
    trail: Trail,
    bytes: usize,
    limit_bytes: usize,
    /// Of all text, with that of the lines that made room.
    text_bytes: usize,
}

#[derive(Debug)]
struct HeldLine {
    body: Box<[u8]>,
    time: Timestamp,
    mode: Mode,
    writer: Option<Writer>,
    key: LineKey,
}

impl HeldLine {
    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of::<LineKey>() + self.body.len()
    }

    /// Of the line and its newline.
    fn text_bytes(&self) -> usize {
        self.body.len() + 1
    }

    fn line(&self) -> Line<'_> {
        let Self { time, mode, writer, .. } = *self;
        Line { body: &self.body, time, mode, writer, sequence: 0, index: 0, truncated: false }
    }
}

impl Held {
    pub(super) const fn new(limit_bytes: usize) -> Self {
        let trail = Trail::new(usize::MAX);
        Self { lines: VecDeque::new(), trail, bytes: 0, limit_bytes, text_bytes: 0 }
    }

    /// Keeps a line; the oldest make room for it. They are in the file.
    pub(super) fn push(&mut self, line: &Line<'_>, key: LineKey) {
        let Line { time, mode, writer, .. } = *line;
        let held = HeldLine { body: line.body.into(), time, mode, writer, key };
        self.bytes += held.bytes();
        self.text_bytes += held.text_bytes();
        self.lines.push_back(held);
        self.trail.push(key);
        while self.bytes > self.limit_bytes || self.lines.len() > LINES {
            if self.take().is_none() {
                break;
            }
        }
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit_bytes);
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Their keys.
    pub(super) const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Bytes that were written up to the line before number `end`, of those that were ever pushed.
    pub(super) fn text_bytes(&self, end: u64) -> usize {
        let later = self.trail.end().saturating_sub(end) as usize;
        let later = self.lines.iter().rev().take(later).map(HeldLine::text_bytes);
        self.text_bytes - later.sum::<usize>()
    }

    /// When line number `end - 1` was written, of those that were ever pushed.
    pub(super) fn time_before(&self, end: u64) -> Option<Timestamp> {
        let index = end.checked_sub(self.trail.passed() + 1)?;
        self.lines.get(index as usize).map(|line| line.time)
    }

    /// When the oldest line was written.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.lines.front().map(|line| line.time)
    }

    /// Gives all lines, with their keys and how many had been pushed before them.
    pub(super) fn drain(&mut self, mut give: impl FnMut(u64, LineKey, &Line<'_>)) {
        let first = self.trail.passed();
        for (at, held) in (first..).zip(&self.lines) {
            give(at, held.key, &held.line());
        }
        self.clear();
    }

    fn take(&mut self) -> Option<HeldLine> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.bytes();
        self.trail.drop_oldest();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, HeldLine};
    use crate::record::{Line, LineKey, Mode, Timestamp};

    fn push(held: &mut Held, number: u64) {
        let (time, mode) = (Timestamp::from_nanos(number), Mode::Ebpf);
        let line =
            Line { body: b"x", time, mode, writer: None, sequence: 0, index: 0, truncated: false };
        held.push(&line, LineKey(number));
    }

    fn drain(held: &mut Held) -> Vec<(u64, u64)> {
        let mut lines = Vec::new();
        held.drain(|at, key, line| {
            assert_eq!((line.body, line.time.as_nanos()), (&b"x"[..], key.0));
            lines.push((at, key.0));
        });
        lines
    }

    #[test]
    fn the_oldest_make_room() {
        let line = size_of::<HeldLine>() + size_of::<LineKey>() + 1;
        for (limit_bytes, kept) in [(0, 0), (line - 1, 0), (line, 1), (2 * line, 2)] {
            let mut held = Held::new(limit_bytes);
            (10..13).for_each(|number| push(&mut held, number));
            assert_eq!(held.bytes(), kept * line);
            assert_eq!(held.time_before(3), (kept > 0).then_some(Timestamp::from_nanos(12)));
            assert_eq!(held.time_before(1), None);
            assert_eq!([0, 1, 2, 3].map(|end| held.text_bytes(end)).last(), Some(&6));
            let all = [(0, 10), (1, 11), (2, 12)];
            assert_eq!(drain(&mut held), all[3 - kept..]);
            assert_eq!(held.bytes(), 0);
        }
    }
}
