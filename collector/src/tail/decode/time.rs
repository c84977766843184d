//! RFC 3339 as runtimes write it → [`Timestamp`]: for every entry, so the general parser only has what is unusual.

use crate::record::Timestamp;

const NANOS: u64 = 1_000_000_000;
/// Where the fraction begins, or the zone.
const SECOND_END: usize = "2026-11-23T10:14:53".len();
/// The most digits of a fraction that a nanosecond needs.
const FRACTION_DIGITS: usize = 9;

/// The time that `text` says; `None` also for times before 1970 and after 2554.
pub(super) fn parse(text: &[u8]) -> Option<Timestamp> {
    usual(text).or_else(|| general(text))
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`, without leap seconds.
fn usual(text: &[u8]) -> Option<Timestamp> {
    let (second, rest) = text.split_at_checked(SECOND_END)?;
    let marks = [second[4], second[7], second[10], second[13], second[16]];
    if marks != *b"--T::" {
        return None;
    }
    let year = pair(&second[0..2])? * 100 + pair(&second[2..4])?;
    let (month, day) = (pair(&second[5..7])?, pair(&second[8..10])?);
    let (hour, minute) = (pair(&second[11..13])?, pair(&second[14..16])?);
    let second = pair(&second[17..19])?;
    // What only the calendar can tell, the last days of a month, is left to the general parser.
    let is_plain = (1..=12).contains(&month) && (1..=28).contains(&day);
    let is_last = (29..=days_in_month(year, month)).contains(&day);
    if !(is_plain || is_last) || year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let local = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = local.checked_add_signed(-offset_seconds(zone)?)?;
    seconds.checked_mul(NANOS)?.checked_add(nanos).map(Timestamp::from_nanos)
}

fn general(text: &[u8]) -> Option<Timestamp> {
    let time: jiff::Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

fn pair(digits: &[u8]) -> Option<u64> {
    let (tens, ones) = (digits[0].wrapping_sub(b'0'), digits[1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u64::from(tens) * 10 + u64::from(ones))
}

/// Nanoseconds of a fraction with up to nine digits, and what comes after it.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > FRACTION_DIGITS {
        return None;
    }
    let value = text[..digits].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value * 10_u64.pow((FRACTION_DIGITS - digits) as u32), &text[digits..]))
}

/// Seconds that a zone is ahead of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let [_, _, b':', _, _] = digits else {
        return None;
    };
    let (hours, minutes) = (pair(&digits[..2])?, pair(&digits[3..])?);
    (hours <= 23 && minutes <= 59).then(|| sign * (hours * 3600 + minutes * 60) as i64)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March here, so that the leap day is a year's last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_TO_1970: u64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{general, parse, usual};
    use crate::record::Timestamp;

    #[test]
    fn knows_every_form_that_runtimes_write() {
        let nanos = |text: &str| parse(text.as_bytes()).map(Timestamp::as_nanos);
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanos("2023-11-14T22:13:20.000000001Z"), Some(1_700_000_000_000_000_001));
        assert_eq!(nanos("2023-11-14T22:13:20.5Z"), Some(1_700_000_000_500_000_000));
        assert_eq!(nanos("2023-11-15T03:58:20+05:45"), Some(1_700_000_000_000_000_000));
        assert_eq!(nanos("2023-11-14T14:13:20.250-08:00"), Some(1_700_000_000_250_000_000));
        assert_eq!(nanos("1970-01-01T00:30:00+01:00"), None);
        assert_eq!(nanos("2023-02-29T00:00:00Z"), None);
        assert_eq!(nanos("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000_000));
        assert_eq!(nanos("2023-11-14T22:13:20.1234567891Z"), None);
        for bad in ["", "Z", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z"] {
            assert_eq!(nanos(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_general_parser(
            nanos in any::<u64>(),
            digits in 0..=9_usize,
            minutes in -1439..=1439_i64,
        ) {
            let time = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            let shift = jiff::SignedDuration::from_mins(minutes);
            let local = time.checked_add(shift).unwrap();
            let (sign, off) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
            let local = format!("{local:.digits$}");
            let text = format!("{}{sign}{:02}:{:02}", &local[..local.len() - 1], off / 60, off % 60);
            if nanos > 86_400_000_000_000 {
                prop_assert!(usual(text.as_bytes()).is_some(), "{}", text);
                prop_assert_eq!(usual(text.as_bytes()), general(text.as_bytes()), "{}", text);
            }
        }

        #[test]
        fn what_it_takes_the_general_parser_takes(text in "[0-9TZ:.+-]{0,40}|\\PC*") {
            if let Some(time) = usual(text.as_bytes()) {
                prop_assert_eq!(Some(time), general(text.as_bytes()));
            }
        }
    }
}
