//! Instants with microseconds, written so that they sort as text.

use super::Invalid;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC, to the microsecond, between the years 1970 and 9999.
///
/// As text it has a fixed width (`2026-01-31T09:30:00.000000Z`), so that sort keys order by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// Microseconds of the last instant of the year 9999.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The earliest instant there is.
    pub const MIN: Self = Self(0);
    /// The latest instant there is.
    pub const MAX: Self = Self(MAX_MICROS);

    /// The instant this number of microseconds after 1970, limited to the supported range.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, MAX_MICROS))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, for DynamoDB's time to live.
    pub fn epoch_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Parses RFC 3339 with any offset. Digits beyond the microsecond are cut off.
    ///
    /// # Errors
    /// If the text is no complete RFC 3339 date-time, or is outside the years 1970 to 9999.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "not_a_time",
                "Must be an RFC 3339 date-time with an offset, such as 2026-01-31T09:30:00Z.",
            )
        };
        let micros = DateTime::parse_from_rfc3339(text)
            .map_err(|_| wrong())?
            .timestamp_micros();
        if !(0..=MAX_MICROS).contains(&micros) {
            return Err(Invalid::new(
                "time_out_of_range",
                "Must be between the years 1970 and 9999.",
            ));
        }
        Ok(Self(micros))
    }

    /// The instant to the minute, for readers.
    pub fn to_minute(self) -> String {
        let time: DateTime<Utc> = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// The same instant moved by a signed number of microseconds, within the supported range.
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time: DateTime<Utc> = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_sort_as_the_instants_do(a in 0..=MAX_MICROS, b in 0..=MAX_MICROS) {
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(Timestamp::parse(&a.to_string()).unwrap(), a);
        }
    }

    #[test]
    fn any_offset_is_read_and_impossible_dates_are_refused() {
        let read = |text| Timestamp::parse(text).map(|time| time.to_string());
        assert_eq!(
            read("2026-01-31T09:30:00+02:00").unwrap(),
            "2026-01-31T07:30:00.000000Z"
        );
        assert_eq!(
            read("2026-01-31T09:30:00.1234567Z").unwrap(),
            "2026-01-31T09:30:00.123456Z"
        );
        for wrong in [
            "2026-02-30T00:00:00Z",
            "2026-01-31",
            "2026-01-31T09:30:00",
            "yesterday",
            "",
        ] {
            assert_eq!(read(wrong).unwrap_err().code, "not_a_time", "{wrong}");
        }
        assert_eq!(
            read("1969-12-31T23:59:59Z").unwrap_err().code,
            "time_out_of_range"
        );
    }
}
