//! Sizes and durations as people write them: `16MiB`, `10ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes, written with a binary (`16MiB`) or decimal (`16MB`) unit, or plain (`4096`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Why a text is no [`Size`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as `512KiB` or `16MiB`")]
pub struct InvalidSize;

impl Size {
    /// The value of `format` in the schema.
    pub(super) const FORMAT: &str = "size";
    /// Units in which a size is shown, the largest that divides it first.
    const UNITS: [(u64, &str); 4] =
        [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    /// Above it sizes are refused: no setting needs more, and sums of two cannot overflow.
    const MAX: u64 = 1 << 50;

    /// So many KiB.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Size {
    type Error = InvalidSize;

    fn try_from(bytes: u64) -> Result<Self, Self::Error> {
        if bytes <= Self::MAX { Ok(Self(bytes)) } else { Err(InvalidSize) }
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size: ByteSize = text.parse().or(Err(InvalidSize))?;
        Self::try_from(size.as_u64())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::UNITS.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Self::try_from(bytes),
            Written::Text(text) => text.parse(),
        }
        .map_err(de::Error::custom)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": Self::FORMAT, "minimum": 0, "maximum": Self::MAX })
    }
}

/// A length of time, written with its units: `10ms`, `2s`, `1m 30s`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(Duration);

/// Why a text is no [`Interval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as `10ms`, `2s` or `1m`")]
pub struct InvalidInterval;

impl Interval {
    /// The value of `format` in the schema.
    pub(super) const FORMAT: &str = "interval";
    /// Above it durations are refused, so that no sum with a clock overflows.
    const MAX: Duration = Duration::from_hours(24 * 366);

    /// So many milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// So many seconds.
    pub const fn secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// The same as a [`Duration`].
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Interval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match humantime::parse_duration(text) {
            Ok(duration) if duration <= Self::MAX => Ok(Self(duration)),
            Ok(_) | Err(_) => Err(InvalidInterval),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_binary_decimal_and_no_unit() {
        let bytes = |text: &str| text.parse::<Size>().map(Size::bytes);
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        assert_eq!(bytes("16MB"), Ok(16_000_000));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("1PiB"), Ok(1 << 50));
        for text in ["", "-1", "16Mippi", "1025TiB", "1e400"] {
            assert_eq!(bytes(text), Err(InvalidSize), "{text}");
        }
    }

    #[test]
    fn durations_are_read_with_units_only() {
        let millis = |text: &str| text.parse::<Interval>().map(|it| it.duration().as_millis());
        assert_eq!(millis("10ms"), Ok(10));
        assert_eq!(millis("1m 30s"), Ok(90_000));
        assert_eq!(millis("0s"), Ok(0));
        for text in ["", "10", "-1s", "10 parsecs", "400days"] {
            assert_eq!(millis(text), Err(InvalidInterval), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in 0..=Size::MAX, millis in 0..=Interval::MAX.as_millis() as u64) {
            let (size, interval) = (Size(bytes), Interval::millis(millis));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            prop_assert_eq!(interval.to_string().parse(), Ok(interval));
        }
    }
}
