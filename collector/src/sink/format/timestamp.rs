//! RFC 3339 in UTC with nine fraction digits, for every record: the general formatter is too slow for that.

use crate::record::Timestamp;

/// Length of the text in bytes.
pub(super) const LEN: usize = "2026-11-23T10:14:53.123456789Z".len();
/// Where the fraction's digits begin.
const FRACTION: usize = "2026-11-23T10:14:53.".len();
const NANOS: u64 = 1_000_000_000;

/// Formats times, and keeps the text of the last second: records come in bursts.
#[derive(Debug)]
pub(super) struct TimestampText {
    time: Timestamp,
    text: [u8; LEN],
}

impl Default for TimestampText {
    fn default() -> Self {
        Self { time: Timestamp::from_nanos(0), text: *b"1970-01-01T00:00:00.000000000Z" }
    }
}

impl TimestampText {
    /// The text of `time`.
    pub(super) fn format(&mut self, time: Timestamp) -> &[u8; LEN] {
        if time != self.time {
            let (second, before) = (time.as_nanos() / NANOS, self.time.as_nanos() / NANOS);
            if second != before {
                write_second(&mut self.text, second);
            }
            write_fraction(&mut self.text, time.as_nanos() % NANOS);
            self.time = time;
        }
        &self.text
    }
}

/// Writes the last two digits of `value`.
fn write_pair(text: &mut [u8; LEN], at: usize, value: u64) {
    let value = (value % 100) as u8;
    text[at] = b'0' + value / 10;
    text[at + 1] = b'0' + value % 10;
}

fn write_fraction(text: &mut [u8; LEN], nanos: u64) {
    text[FRACTION] = b'0' + (nanos / 100_000_000) as u8;
    write_pair(text, FRACTION + 1, nanos / 1_000_000);
    write_pair(text, FRACTION + 3, nanos / 10_000);
    write_pair(text, FRACTION + 5, nanos / 100);
    write_pair(text, FRACTION + 7, nanos);
}

fn write_second(text: &mut [u8; LEN], second: u64) {
    let (year, month, day) = date(second / 86_400);
    write_pair(text, 0, year / 100);
    write_pair(text, 2, year);
    write_pair(text, 5, month);
    write_pair(text, 8, day);
    write_pair(text, 11, second / 3600 % 24);
    write_pair(text, 14, second / 60 % 60);
    write_pair(text, 17, second % 60);
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are counted from March
/// here, so that the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_IN_ERA: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_IN_ERA, days % DAYS_IN_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TimestampText;
    use crate::record::Timestamp;

    proptest! {
        #[test]
        fn agrees_with_the_general_formatter(
            times in prop::collection::vec(any::<u64>(), 1..4),
            step in 0..3_000_000_000_u64,
        ) {
            let mut text = TimestampText::default();
            for nanos in times {
                for nanos in [nanos, nanos.saturating_add(step), nanos] {
                    let time = Timestamp::from_nanos(nanos);
                    let formatted = std::str::from_utf8(text.format(time)).unwrap();
                    prop_assert_eq!(formatted, time.to_string());
                }
            }
        }
    }

    #[test]
    fn knows_the_edges_of_the_calendar() {
        let mut text = TimestampText::default();
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            let time = Timestamp::from_nanos(seconds * super::NANOS);
            assert_eq!(std::str::from_utf8(text.format(time)).unwrap(), expected);
        }
    }
}
