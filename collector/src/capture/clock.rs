//! The probe stamps with the clock that never steps; records carry the wall clock.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::record::Timestamp;

/// The wall clock was set if it differs by so much; less is time that passes between two readings.
const SET_NS: u128 = 10_000_000;

/// Turns `CLOCK_BOOTTIME` into wall-clock time by the difference of the two clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    difference_ns: i128,
}

impl Clock {
    /// Reads both clocks. To be repeated now and then: the wall clock is adjusted while the other runs on.
    pub(super) fn now() -> Self {
        let nanos =
            |time: Timespec| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        let wall = nanos(clock_gettime(ClockId::Realtime));
        Self { difference_ns: wall - nanos(clock_gettime(ClockId::Boottime)) }
    }

    /// This one, or another one if the wall clock was set meanwhile. For every few records: what is written after a step must
    /// not look as if it had been written an hour later.
    pub(super) fn unless_set(self) -> Self {
        self.or_if_set(Self::now())
    }

    fn or_if_set(self, now: Self) -> Self {
        let is_set = now.difference_ns.abs_diff(self.difference_ns) >= SET_NS;
        if is_set { now } else { self }
    }

    /// The wall-clock time of a stamp; the epoch for one before it.
    pub(super) fn wall(self, boot_ns: u64) -> Timestamp {
        let nanos = (i128::from(boot_ns) + self.difference_ns).max(0);
        Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn adds_the_difference_and_never_wraps() {
        assert_eq!(Clock { difference_ns: 5 }.wall(7).as_nanos(), 12);
        assert_eq!(Clock { difference_ns: -8 }.wall(7).as_nanos(), 0);
        assert_eq!(Clock { difference_ns: 1 }.wall(u64::MAX).as_nanos(), u64::MAX);
    }

    #[test]
    fn a_step_is_followed_and_jitter_is_not() {
        let clock = Clock { difference_ns: 50_000_000 };
        for (now, followed) in [
            (50_000_000, 50_000_000),
            (59_999_999, 50_000_000),
            (60_000_000, 60_000_000),
            (40_000_001, 50_000_000),
            (-3_600_000_000_000, -3_600_000_000_000),
        ] {
            assert_eq!(clock.or_if_set(Clock { difference_ns: now }).difference_ns, followed);
        }
    }
}
