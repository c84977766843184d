//! What another collector delivered of a stream that no log backs, while this one captured it already.

use std::time::Duration;

use super::delivered::Delivered;
use crate::record::{LineKey, Timestamp};

/// Two probes stamp one write a few microseconds apart; what differs more is how their collectors tell the wall clock.
const SLACK: Duration = Duration::from_millis(5);

/// The last lines of the other collector, which ended before this one took over.
#[derive(Debug)]
pub(super) struct Handed {
    /// When the last of them was written; nothing if the clock was set back since, and times say nothing of their order.
    written: Option<Timestamp>,
    /// What was written a little after this is new.
    until: Timestamp,
    delivered: Delivered,
}

impl Handed {
    pub(super) fn new(written: Timestamp, taken_over: Timestamp, recent: &[LineKey]) -> Self {
        let is_set_back = written > taken_over;
        Self {
            written: (!is_set_back).then_some(written),
            until: written.min(taken_over),
            delivered: Delivered::new(0, recent.iter().copied()),
        }
    }

    /// Whether a captured line was delivered by the other collector: all that was written before its last line was, and of
    /// what was written at the same time what is among its last lines.
    pub(super) fn has(&mut self, key: LineKey, time: Timestamp) -> bool {
        let is_before = self.written.is_some_and(|it| it.saturating_since(time) > SLACK);
        is_before || (!self.is_over(time) && self.delivered.take(key))
    }

    /// Whether lines of this time are none of the other collector's any more.
    pub(super) fn is_over(&self, time: Timestamp) -> bool {
        time.saturating_since(self.until) > SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::Handed;
    use crate::record::{LineKey, Timestamp};

    #[test]
    fn what_was_delivered_is_known_by_time_and_at_the_seam_by_text() {
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let mut handed = Handed::new(at(100), at(200), &[LineKey(1), LineKey(2)]);
        assert!(handed.has(LineKey(9), at(90)));
        assert!(handed.has(LineKey(2), at(99)));
        assert!(!handed.has(LineKey(3), at(101)), "written at the same time, and not delivered");
        assert!(handed.has(LineKey(1), at(102)));
        assert!(!handed.has(LineKey(1), at(103)), "once");
        assert!(!handed.has(LineKey(1), at(106)) && handed.is_over(at(106)));
    }

    #[test]
    fn what_is_written_after_the_clock_was_set_back_is_new() {
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let mut handed = Handed::new(at(100), at(50), &[LineKey(1), LineKey(2)]);
        assert!(!handed.has(LineKey(9), at(40)), "by text alone");
        assert!(handed.has(LineKey(2), at(45)));
        assert!(!handed.has(LineKey(1), at(56)) && handed.is_over(at(56)));
        assert!(!handed.has(LineKey(9), at(90)));
    }
}
