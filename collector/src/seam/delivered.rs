//! What was delivered since an anchor: lines to pass over when the file is read from there.

use std::collections::HashMap;

use super::window::{LEAST, WINDOW};
use crate::record::LineKey;

/// Delivered lines, each as often as it was delivered.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Lines to pass over whatever they say: their keys are not kept.
    unknown: u64,
    keys: HashMap<LineKey, u32>,
    /// Lines to pass over instead of those that were passed over without a key though they had one: two were exchanged.
    owed: u64,
    /// Lines that may still be read before what is left counts as never to come: lines that the file shows otherwise.
    patience: usize,
}

impl Delivered {
    pub(super) fn new(unknown: u64, keys: impl Iterator<Item = LineKey>) -> Self {
        let mut delivered = Self { unknown, ..Self::default() };
        for key in keys {
            *delivered.keys.entry(key).or_default() += 1;
            delivered.patience += 1;
        }
        if delivered.patience > 0 {
            delivered.patience += WINDOW;
        }
        delivered
    }

    /// Whether all were met, or will not be met any more.
    pub(super) fn is_over(&self) -> bool {
        self.unknown == 0 && self.keys.is_empty() && self.owed == 0
    }

    /// Their place in the file is gone: those without a key cannot be counted any more.
    pub(super) const fn forget_unknown(&mut self) {
        self.unknown = 0;
    }

    /// Whether this line of the file was delivered; it is not a second time.
    pub(super) fn take(&mut self, key: LineKey) -> bool {
        if self.unknown > 0 {
            self.unknown -= 1;
            self.owed += u64::from(self.unknown < LEAST as u64 && self.meet(key));
            return true;
        }
        if self.is_over() {
            return false;
        }
        let is_owed = !self.meet(key);
        let known = !is_owed || self.owed > 0;
        self.owed -= u64::from(is_owed && known);
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            *self = Self::default();
        }
        known
    }

    fn meet(&mut self, key: LineKey) -> bool {
        match self.keys.get_mut(&key) {
            Some(1) => self.keys.remove(&key).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Delivered, WINDOW};
    use crate::record::LineKey;

    #[test]
    fn each_line_is_passed_over_as_often_as_it_was_delivered() {
        let mut delivered = Delivered::new(1, [1, 2, 2].map(LineKey).into_iter());
        assert!(delivered.take(LineKey(9)), "without a key");
        let taken = [2, 3, 1, 2, 2].map(|key| delivered.take(LineKey(key)));
        assert_eq!(taken, [true, false, true, true, false]);
        assert!(delivered.is_over());
    }

    #[test]
    fn what_never_comes_is_not_waited_for() {
        let mut delivered = Delivered::new(0, [1].map(LineKey).into_iter());
        (0..=WINDOW).for_each(|_| assert!(!delivered.take(LineKey(7))));
        assert!(delivered.is_over());
        assert!(!delivered.take(LineKey(1)));
    }
}
