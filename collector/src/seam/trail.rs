//! The keys of a stream's last lines, and where in them a few others stand.

use std::collections::VecDeque;

use super::window::{self, LEAST, WINDOW};
use crate::record::LineKey;

/// The last lines' keys, oldest first; at most `limit`.
#[derive(Debug)]
pub(super) struct Trail {
    keys: VecDeque<LineKey>,
    limit: usize,
    /// Lines that were here before those.
    passed: u64,
}

impl Trail {
    pub(super) const fn new(limit: usize) -> Self {
        Self { keys: VecDeque::new(), limit, passed: 0 }
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(super) fn push(&mut self, key: LineKey) {
        self.keys.push_back(key);
        if self.keys.len() > self.limit {
            self.drop_oldest();
        }
    }

    pub(super) fn drop_oldest(&mut self) {
        if self.keys.pop_front().is_some() {
            self.passed += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Lines pushed so far.
    pub(super) fn end(&self) -> u64 {
        self.passed + self.keys.len() as u64
    }

    /// Lines pushed that are not here any more.
    pub(super) const fn passed(&self) -> u64 {
        self.passed
    }

    /// Forgets the lines before number `end` but for as many as are compared at once.
    pub(super) fn forget_before(&mut self, end: u64) {
        let keep_from = end.saturating_sub(WINDOW as u64);
        let count = keep_from.saturating_sub(self.passed).min(self.keys.len() as u64);
        self.keys.drain(..count as usize);
        self.passed += count;
        if self.keys.capacity() > 4 * WINDOW && self.keys.len() < self.keys.capacity() / 8 {
            self.keys.shrink_to(2 * self.keys.len());
        }
    }

    /// The lines that are here and had `start` lines or more before them.
    pub(super) fn since(&self, start: u64) -> impl Iterator<Item = LineKey> {
        let skipped = start.saturating_sub(self.passed) as usize;
        self.keys.iter().copied().skip(skipped)
    }

    /// How many lines had been pushed when the last of `lines` had been; see [`window::find`].
    pub(super) fn find(&self, lines: &[LineKey]) -> Option<u64> {
        let found = window::find(lines, self.keys.iter().copied())?;
        Some(self.passed + found as u64)
    }

    /// Whether the last lines are these, in any order. The first of them may be exchanged with those before.
    pub(super) fn ends_with(&self, lines: &[LineKey]) -> bool {
        let most = lines.len().min(WINDOW).min(self.keys.len());
        let least = most.div_ceil(2).max(1).max(most.saturating_sub(LEAST));
        (least..=most).rev().any(|length| {
            let keys = self.keys.iter().copied().skip(self.keys.len() - length);
            window::is_same(keys, lines[lines.len() - length..].iter().copied())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Trail, WINDOW};
    use crate::record::{LineKey, Mode};

    fn keys(numbers: &[u64]) -> Vec<LineKey> {
        numbers.iter().map(|n| LineKey::of(&[*n as u8], Mode::Ebpf)).collect()
    }

    fn trail(limit: usize, numbers: &[u64]) -> Trail {
        let mut trail = Trail::new(limit);
        for key in keys(numbers) {
            trail.push(key);
        }
        trail
    }

    #[test]
    fn ends_with_lines_in_any_order() {
        let trail = trail(100, &[1, 2, 3, 4, 5, 6]);
        assert!(trail.ends_with(&keys(&[6])) && !trail.ends_with(&keys(&[5])));
        assert!(trail.ends_with(&keys(&[4, 6, 5])) && !trail.ends_with(&keys(&[])));
        assert!(trail.ends_with(&keys(&[2, 4, 6, 5])), "3 is before 2 there");
        assert!(!trail.ends_with(&keys(&[1, 2, 9, 6])));
        assert!(trail.ends_with(&keys(&[0, 0, 0, 0, 1, 2, 3, 4, 5, 6])), "all of them");
        assert!(!Trail::new(1).ends_with(&keys(&[1])));
    }

    #[test]
    fn counts_what_it_forgets() {
        let trail_of_0 = trail(0, &[1, 2]);
        assert_eq!((trail_of_0.len(), trail_of_0.passed(), trail_of_0.end()), (0, 2, 2));
        let mut trail = trail(3, &[1, 2, 3, 4]);
        assert_eq!((trail.len(), trail.passed(), trail.end()), (3, 1, 4));
        assert_eq!(trail.find(&keys(&[3, 4])), Some(4));
        assert_eq!(trail.since(3).collect::<Vec<_>>(), keys(&[4]));
        trail.forget_before(4);
        assert_eq!(trail.len(), 3, "less than a window");
        let mut trail = Trail::new(1000);
        (0..200).for_each(|n| trail.push(LineKey(n)));
        trail.forget_before(190);
        assert_eq!((trail.passed(), trail.len()), (190 - WINDOW as u64, 10 + WINDOW));
    }
}
