//! When a file is to be rotated. Pure.

use std::time::Duration;

use crate::record::Timestamp;

/// How long a failed rotation is left alone.
const POSTPONEMENT: Duration = Duration::from_mins(1);

/// Decides by size and age; zero switches either off.
#[derive(Debug)]
pub(super) struct Rotation {
    max_bytes: u64,
    max_age: Duration,
    started: Timestamp,
    postponed: Option<Timestamp>,
}

impl Rotation {
    pub(super) const fn new(max_bytes: u64, max_age: Duration) -> Self {
        Self { max_bytes, max_age, started: Timestamp::from_nanos(0), postponed: None }
    }

    /// A new file began at `now`.
    pub(super) const fn started(&mut self, now: Timestamp) {
        self.started = now;
        self.postponed = None;
    }

    /// A rotation failed at `now`.
    pub(super) const fn postpone(&mut self, now: Timestamp) {
        self.postponed = Some(now);
    }

    /// Whether a file of `len` bytes is to be rotated. An empty file never is.
    pub(super) fn is_due(&self, len: u64, now: Timestamp) -> bool {
        let Self { max_bytes, max_age, started, postponed } = self;
        let too_large = *max_bytes > 0 && len >= *max_bytes;
        let too_old = !max_age.is_zero() && now.saturating_since(*started) >= *max_age;
        let waits = postponed.is_some_and(|since| now.saturating_since(since) < POSTPONEMENT);
        len > 0 && (too_large || too_old) && !waits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{POSTPONEMENT, Rotation};
    use crate::record::Timestamp;

    fn second(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn by_size() {
        let mut rotation = Rotation::new(10, Duration::ZERO);
        rotation.started(second(0));
        assert!(!rotation.is_due(0, second(9)));
        assert!(!rotation.is_due(9, second(9)));
        assert!(rotation.is_due(10, second(0)));
    }

    #[test]
    fn by_age_but_not_while_empty() {
        let mut rotation = Rotation::new(0, Duration::from_secs(5));
        rotation.started(second(10));
        assert!(!rotation.is_due(1, second(14)));
        assert!(rotation.is_due(1, second(15)));
        assert!(!rotation.is_due(0, second(15)));
        rotation.started(second(15));
        assert!(!rotation.is_due(1, second(16)));
    }

    #[test]
    fn never_if_switched_off() {
        let rotation = Rotation::new(0, Duration::ZERO);
        assert!(!rotation.is_due(u64::MAX, second(u32::MAX.into())));
    }

    #[test]
    fn a_failed_one_is_left_alone_for_a_while() {
        let mut rotation = Rotation::new(1, Duration::ZERO);
        rotation.postpone(second(100));
        assert!(!rotation.is_due(1, second(100)));
        assert!(rotation.is_due(1, second(100 + POSTPONEMENT.as_secs())));
    }
}
