//! Parses times as CSV files and command lines contain them.

use chrono::{NaiveDate, NaiveTime};
use domain::time::Timestamp;

/// Microseconds in one second.
const SECOND: i64 = 1_000_000;

/// How the times in the columns of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum TimeFormat {
    /// Dates, with or without a time of day and an offset. Without an offset they are UTC.
    #[default]
    Text,
    /// Seconds since 1970, such as 1790000000 or 1790000000.25.
    EpochSeconds,
    /// Milliseconds since 1970, such as 1790000000250.
    EpochMilliseconds,
}

impl TimeFormat {
    /// Parses a time in this format. Returns `None` if the text has another format or is outside the years 1970 to 9999.
    pub(crate) fn read(self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Text => read(text),
            Self::EpochSeconds => epoch(text, SECOND),
            Self::EpochMilliseconds => epoch(text, SECOND / 1000),
        }
    }

    /// Describes the format in a sentence about a text that does not have it.
    pub(crate) fn expected(self, text: &str) -> &'static str {
        match self {
            Self::Text if is_number(text.trim()) => {
                "a date. If it counts from 1970, add --time-format epoch-seconds or --time-format epoch-milliseconds"
            }
            Self::Text => "a time such as 2026-01-31 09:30:00 or 2026-01-31T09:30:00Z",
            Self::EpochSeconds => "a number of seconds since 1970",
            Self::EpochMilliseconds => "a number of milliseconds since 1970",
        }
    }
}

/// Parses a date with an optional time of day and an optional zone.
///
/// - The date is `2026-01-31`. Without a time of day it means midnight UTC at its start.
/// - The time of day follows after a space or a `T`: `09:30`, `09:30:00` or `09:30:00.123456`.
/// - The zone is `Z`, `UTC`, `GMT` or an offset (`+02`, `+0200`, `+02:00`), with or without a space before it. After an
///   offset, the name of the zone may follow (`+0000 UTC`). Without a zone the time is UTC.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked("2026-01-31".len())?;
    let is_digit_or_dash = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    if !date.bytes().all(is_digit_or_dash) {
        return None;
    }
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    if rest.is_empty() {
        return in_range(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    let rest = rest.strip_prefix([' ', 'T', 't'])?;
    let is_clock = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
    let end = rest.find(|c| !is_clock(c)).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let clock = NaiveTime::parse_from_str(clock, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(clock, "%H:%M"))
        .ok()?;
    let offset = offset_seconds(zone.trim_start())?;
    let local = date.and_time(clock).and_utc().timestamp_micros();
    in_range(local.checked_sub(offset * SECOND)?)
}

/// Seconds that the clocks of a zone are ahead of UTC.
fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return is_utc(zone).then_some(0),
    };
    let (digits, name) = zone[1..].split_once(' ').unwrap_or((&zone[1..], ""));
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        5 => digits.split_once(':')?,
        _ => return None,
    };
    let number = |text: &str, below: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number)?;
        (0..below).contains(&number).then_some(number)
    };
    let seconds = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
    // The offset decides. A name after it must not contradict it.
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let fits = name.is_empty() || (is_name && (!is_utc(name) || seconds == 0));
    fits.then_some(sign * seconds)
}

fn is_utc(zone: &str) -> bool {
    ["Z", "UTC", "GMT"]
        .iter()
        .any(|name| zone.eq_ignore_ascii_case(name))
}

/// Parses a number of units since 1970. A unit has `unit` microseconds. Digits beyond the microsecond are cut off.
fn epoch(text: &str, unit: i64) -> Option<Timestamp> {
    let text = text.trim();
    if !is_number(text) {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut micros = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        micros = micros.checked_add(i64::from(digit - b'0') * place)?;
    }
    in_range(micros)
}

/// Whether a text consists of digits, with or without a decimal point between them.
fn is_number(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(text),
    }
}

/// The platform accepts times between the years 1970 and 9999.
fn in_range(micros: i64) -> Option<Timestamp> {
    let time = Timestamp::from_micros(micros);
    (time.micros() == micros).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Option<String> {
        read(text).map(|time| time.to_string())
    }

    #[test]
    fn times_of_databases_and_data_frames_are_read() {
        for (text, expected) in [
            ("2026-11-02 10:00:00 UTC", "2026-11-02T10:00:00.000000Z"),
            (
                "2026-11-02 10:00:00.123456 UTC",
                "2026-11-02T10:00:00.123456Z",
            ),
            ("2026-11-02 12:00:00+02", "2026-11-02T10:00:00.000000Z"),
            ("2026-11-02 12:00:00.5+0200", "2026-11-02T10:00:00.500000Z"),
            ("2026-11-02 12:00:00 +0200", "2026-11-02T10:00:00.000000Z"),
            (
                "2026-11-02 12:00:00.000 +0200",
                "2026-11-02T10:00:00.000000Z",
            ),
            ("2026-11-02T10:00Z", "2026-11-02T10:00:00.000000Z"),
            (
                "2026-11-02 10:00:00 +0000 UTC",
                "2026-11-02T10:00:00.000000Z",
            ),
            (
                "2026-11-02 12:00:00 +0200 CEST",
                "2026-11-02T10:00:00.000000Z",
            ),
            ("2026-11-02 06:30:00-03:30", "2026-11-02T10:00:00.000000Z"),
            (
                "2026-11-02 10:00:00.123456789+00:00",
                "2026-11-02T10:00:00.123456Z",
            ),
            ("2026-11-02 10:00 gmt", "2026-11-02T10:00:00.000000Z"),
            ("2026-11-02t10:00:00z", "2026-11-02T10:00:00.000000Z"),
            ("1970-01-01 02:00:00+02", "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn times_without_an_offset_are_utc() {
        let expected = Some("2016-09-24T17:42:27.839496Z".to_owned());
        assert_eq!(shown("2016-09-24 17:42:27.839496"), expected);
        assert_eq!(shown("2016-09-24T17:42:27.839496"), expected);
        assert_eq!(shown(" 2016-09-24T19:42:27.839496+02:00"), expected);
        assert_eq!(shown("2016-09-24 19:42:27.839496+02:00"), expected);
        assert_eq!(
            shown("2016-09-24").as_deref(),
            Some("2016-09-24T00:00:00.000000Z")
        );
    }

    #[test]
    fn other_texts_are_no_times() {
        for wrong in [
            "",
            "24.09.2016",
            "2016-13-01",
            "2016-02-30",
            "1474738947",
            "1950-01-01",
            "1970-01-01 00:00:00+02",
            "2016-09-24 10",
            "2016-09-24 10:00:00 CET",
            "2016-09-24 10:00:00 +0200 UTC",
            "2016-09-24 10:00:00+2",
            "2016-09-24 10:00:00+24:00",
            "2016-09-24 10:00:00+02:60",
            "2016-09-24 10:00:00+02:0",
            "2016-09-24 10:00:00 UTC+02:00",
            "2016-09-24 25:00:00",
            "2016-09-24Z",
            "+016-09-24",
            "2016-09-2ä",
            "2016-09-24 10:00:00+é2",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_since_1970_are_read_on_request_only() {
        let seconds = |text| TimeFormat::EpochSeconds.read(text).map(|t| t.micros());
        let millis = |text| TimeFormat::EpochMilliseconds.read(text).map(|t| t.micros());
        assert_eq!(seconds("1474738947"), Some(1_474_738_947_000_000));
        assert_eq!(seconds(" 1474738947.8394967 "), Some(1_474_738_947_839_496));
        assert_eq!(millis("1474738947839"), Some(1_474_738_947_839_000));
        assert_eq!(millis("1474738947839.496"), Some(1_474_738_947_839_496));
        for wrong in [
            "",
            ".",
            "1.",
            "-1",
            "+1",
            "1e9",
            "2016-09-24",
            "99999999999999999999",
        ] {
            assert_eq!((seconds(wrong), millis(wrong)), (None, None), "{wrong}");
        }
        // Milliseconds that are read as seconds are after the year 9999.
        assert_eq!(seconds("1474738947839"), None);
        assert!(
            TimeFormat::Text
                .expected("1474738947")
                .contains("--time-format")
        );
        assert!(!TimeFormat::Text.expected("soon").contains("--time-format"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = read(&text);
            let _ = epoch(&text, SECOND);
        }

        #[test]
        fn a_time_with_an_offset_is_the_same_instant(micros in 100_000_000_000_i64..4_000_000_000_000_000, minutes in -1439_i64..1440) {
            let instant = Timestamp::from_micros(micros);
            let local = chrono::DateTime::from_timestamp_micros(micros + minutes * 60 * SECOND).unwrap();
            let sign = if minutes < 0 { '-' } else { '+' };
            let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
            for zone in [format!("{sign}{h:02}{m:02}"), format!(" {sign}{h:02}:{m:02}")] {
                let text = format!("{}{zone}", local.format("%Y-%m-%d %H:%M:%S%.6f"));
                prop_assert_eq!(read(&text), Some(instant), "{}", text);
            }
        }
    }
}
