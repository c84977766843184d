//! How long to wait before the next attempt to connect. Pure: the caller brings the random number.

use std::time::Duration;

/// Doubles from a least to a longest wait, each cut by up to a half so that many agents do not return at once.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// A schedule that begins at `min`.
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min.min(max) }
    }

    /// The next wait.
    pub(super) fn wait(&mut self, random: u32) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Begins again: the connection held.
    pub(super) fn reset(&mut self) {
        self.next = self.min.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn doubles_up_to_the_longest_wait() {
        let mut backoff = Backoff::new(ms(100), ms(350));
        let waits = [0; 4].map(|_| backoff.wait(u32::MAX));
        assert_eq!(waits, [ms(100), ms(200), ms(350), ms(350)]);
        backoff.reset();
        assert_eq!(backoff.wait(0), ms(50));
        assert_eq!(backoff.wait(0), ms(100));
    }

    #[test]
    fn bounds_of_zero_mean_no_wait() {
        let mut backoff = Backoff::new(ms(0), ms(0));
        assert_eq!(backoff.wait(7), ms(0));
        assert_eq!(backoff.wait(7), ms(0));
        assert_eq!(Backoff::new(ms(100), ms(40)).wait(u32::MAX), ms(40));
    }
}
