//! The keys of a stream's last lines, and where in them a few others stand.

use std::collections::VecDeque;

use crate::record::LineKey;

/// Lines that are compared at once.
pub(super) const WINDOW: usize = 64;

/// As few lines are too little to go by, unless nothing moves.
pub(super) const LEAST: usize = 8;

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

    /// How many lines had been pushed when the last of `lines` had been: found where as many follow each other in any
    /// order. Nothing if that is nowhere, or more than once.
    pub(super) fn find(&self, lines: &[LineKey]) -> Option<u64> {
        let wanted = sum(lines.iter().copied());
        let length = lines.len();
        if length == 0 || length > self.keys.len() {
            return None;
        }
        let mut found = None;
        let mut window = sum(self.keys.iter().copied().take(length));
        for end in length..=self.keys.len() {
            if window == wanted && found.replace(self.passed + end as u64).is_some() {
                return None;
            }
            if let Some(next) = self.keys.get(end) {
                window = window.wrapping_add(next.0).wrapping_sub(self.keys[end - length].0);
            }
        }
        found
    }

    /// Whether the last lines are these, in any order.
    pub(super) fn ends_with(&self, lines: &[LineKey]) -> bool {
        let Some(start) = self.keys.len().checked_sub(lines.len()) else { return false };
        sum(self.keys.iter().copied().skip(start)) == sum(lines.iter().copied())
    }
}

/// Tells sets of lines apart, whatever their order: keys are random in all their bits.
fn sum(keys: impl Iterator<Item = LineKey>) -> u64 {
    keys.fold(0, |sum, key| sum.wrapping_add(key.0))
}

/// Whether the last `window` of `lines` stand in them once: lines that repeat themselves do not say where they are.
pub(super) fn is_distinct(lines: &[LineKey], window: usize) -> bool {
    let wanted = sum(lines[lines.len() - window..].iter().copied());
    lines.windows(window).filter(|lines| sum(lines.iter().copied()) == wanted).count() == 1
}

#[cfg(test)]
mod tests {
    use super::{Trail, WINDOW, is_distinct};
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
    fn finds_lines_in_any_order_and_only_where_they_stand_once() {
        let trail = trail(100, &[1, 2, 3, 4, 3, 4]);
        assert_eq!(trail.find(&keys(&[1, 2])), Some(2));
        assert_eq!(trail.find(&keys(&[2, 1])), Some(2));
        assert_eq!(trail.find(&keys(&[2, 4, 3])), Some(4));
        assert_eq!(trail.find(&keys(&[3, 4])), None, "three places");
        assert_eq!(trail.find(&keys(&[1, 4])), None, "not next to each other");
        assert_eq!(trail.find(&keys(&[])), None);
        assert_eq!(trail.find(&keys(&[1, 2, 3, 4, 3, 4, 5])), None);
        assert!(trail.ends_with(&keys(&[4, 3])) && !trail.ends_with(&keys(&[3, 3])));
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

    #[test]
    fn lines_that_repeat_themselves_are_not_distinct() {
        assert!(is_distinct(&keys(&[1, 2, 3, 4]), 2));
        assert!(!is_distinct(&keys(&[1, 2, 1, 2]), 2));
        assert!(!is_distinct(&keys(&[7, 7, 7]), 2));
        assert!(is_distinct(&keys(&[7]), 1));
    }
}
