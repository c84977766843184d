//! How long to wait between attempts. Pure: it neither waits nor decides what is to be retried.

use std::time::Duration;

/// Delays that double from [`Backoff::FIRST`] to [`Backoff::CAP`]. Each is cut by up to half at random, so that the agents of
/// many nodes do not come back to a recovering destination in step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// Delay after the first failure, before jitter.
    pub(super) const FIRST: Duration = Duration::from_millis(100);
    /// Longest delay: how late an end of the outage may be noticed.
    pub(super) const CAP: Duration = Duration::from_secs(10);

    /// The next delay; `random` is any number, the same for the same jitter.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempt);
        let full = Self::FIRST.saturating_mul(factor).min(Self::CAP);
        self.attempt = self.attempt.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn doubles_up_to_the_cap() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.next(u64::MAX).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        for _ in 0..100 {
            assert_eq!(backoff.next(u64::MAX), Backoff::CAP);
        }
    }

    #[test]
    fn jitter_takes_up_to_half() {
        assert_eq!(Backoff::default().next(0), Duration::from_millis(50));
        assert_eq!(Backoff::default().next(u64::MAX / 2).as_millis(), 75);
    }
}
