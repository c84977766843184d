//! The probe stamps with the clock that never steps; records carry the wall clock.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::record::Timestamp;

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
}
