//! Parses times as CSV files and command lines write them.

use chrono::{NaiveDate, NaiveDateTime};
use domain::time::Timestamp;

/// Parses one of three forms:
///
/// - RFC 3339 with any offset
/// - a date and a time without an offset, separated by a space or a `T` (`2026-01-31 09:30:00.123456`); this is UTC
/// - a date, which means midnight UTC at its start
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = Timestamp::parse(text) {
        return Some(time);
    }
    let without_offset = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ];
    let time = without_offset
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        })?;
    // `Timestamp::parse` also checks the range of times that the platform accepts.
    Timestamp::parse(&time.and_utc().to_rfc3339()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_an_offset_are_utc() {
        let read = |text| read(text).map(|time| time.to_string());
        let expected = Some("2016-09-24T17:42:27.839496Z".to_owned());
        assert_eq!(read("2016-09-24 17:42:27.839496"), expected);
        assert_eq!(read("2016-09-24T17:42:27.839496"), expected);
        assert_eq!(read(" 2016-09-24T19:42:27.839496+02:00"), expected);
        assert_eq!(read("2016-09-24 19:42:27.839496+02:00"), expected);
        assert_eq!(
            read("2016-09-24").as_deref(),
            Some("2016-09-24T00:00:00.000000Z")
        );
        for wrong in ["", "24.09.2016", "2016-13-01", "1474738947", "1950-01-01"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
