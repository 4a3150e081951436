//! Reads the values of a file as databases and spreadsheets write them.

use domain::decimal::Decimal;

/// The character between the whole part and the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DecimalMark {
    /// 1234.5; thousands may be separated: 1,234.5
    Point,
    /// 1234,5; thousands may be separated: 1.234,5
    Comma,
}

/// Why a cell is not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NumberFault {
    /// The number has a comma, and the caller has not said what it means.
    #[error(
        "`{0}` has a comma. If it is the decimal mark, add --decimal-mark comma; if it separates thousands, add --decimal-mark point"
    )]
    CommaOfUnknownMeaning(String),
    /// The text is not a number.
    #[error("`{text}` is not a valid value: {reason}")]
    NotANumber {
        /// The cell.
        text: String,
        /// What a value looks like.
        reason: String,
    },
}

/// Reads a value. Without a decimal mark, a number with a comma is a fault, because `1,234` has two meanings.
pub(super) fn read(text: &str, mark: Option<DecimalMark>) -> Result<Decimal, NumberFault> {
    let wrong = |reason: String| NumberFault::NotANumber {
        text: text.to_owned(),
        reason,
    };
    let parsed = match mark {
        None if is_number_with_comma(text) => {
            return Err(NumberFault::CommaOfUnknownMeaning(text.to_owned()));
        }
        None => Decimal::parse(text),
        Some(mark) => {
            let example = match mark {
                DecimalMark::Point => "Must be a number such as 1,234.99.",
                DecimalMark::Comma => "Must be a number such as 1.234,99.",
            };
            let number = with_point(text, mark).ok_or_else(|| wrong(example.to_owned()))?;
            Decimal::parse(&number)
        }
    };
    parsed.map_err(|invalid| wrong(invalid.detail))
}

fn is_number_with_comma(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || "+-.,' \u{a0}\u{202f}".contains(c);
    text.contains(',') && text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(is_part)
}

/// The number with a point as its decimal mark and without separators of thousands, or `None` if it is malformed.
fn with_point(text: &str, mark: DecimalMark) -> Option<String> {
    let (mark, thousands) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = match unsigned.split_once(mark) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let is_separator = |c: char| c == thousands || "' \u{a0}\u{202f}".contains(c);
    let groups: Vec<&str> = whole.split(is_separator).collect();
    if groups.len() == 1 {
        return Some(text.replace(mark, "."));
    }
    // After the first separator every group has three digits.
    let is_group = |(index, group): (usize, &&str)| {
        let length = group.len();
        let digits = group.bytes().all(|byte| byte.is_ascii_digit());
        digits && (length == 3 || (index == 0 && (1..3).contains(&length)))
    };
    let fraction = fraction.map_or(String::new(), |fraction| format!(".{fraction}"));
    let all = groups.iter().enumerate().all(is_group);
    all.then(|| format!("{sign}{}{fraction}", groups.concat()))
}

#[cfg(test)]
mod tests {
    use super::DecimalMark::{Comma, Point};
    use super::*;

    fn shown(text: &str, mark: Option<DecimalMark>) -> Option<String> {
        read(text, mark).ok().map(|value| value.to_string())
    }

    #[test]
    fn a_decimal_mark_is_asked_about_and_never_guessed() {
        for text in ["12,50", "1,234", "-0,5", "1.234,5", "1,234.5", "1 234,50"] {
            let fault = read(text, None).unwrap_err();
            assert_eq!(fault, NumberFault::CommaOfUnknownMeaning(text.to_owned()));
            assert!(fault.to_string().contains("--decimal-mark"), "{fault}");
        }
        for text in ["a,b", ",", "much", "1;2"] {
            let fault = read(text, None).unwrap_err();
            assert!(matches!(fault, NumberFault::NotANumber { .. }), "{fault}");
        }
    }

    #[test]
    fn numbers_are_read_with_their_decimal_mark() {
        for (text, mark, expected) in [
            ("12.50", None, "12.5"),
            ("1e-3", None, "0.001"),
            ("12,50", Some(Comma), "12.5"),
            ("-0,5", Some(Comma), "-0.5"),
            ("1.234,5", Some(Comma), "1234.5"),
            ("1.234", Some(Comma), "1234"),
            ("1,234", Some(Comma), "1.234"),
            ("1\u{202f}234\u{202f}567,25", Some(Comma), "1234567.25"),
            ("7", Some(Comma), "7"),
            ("1,234.5", Some(Point), "1234.5"),
            ("1,234", Some(Point), "1234"),
            ("1'234.5", Some(Point), "1234.5"),
            ("1e-3", Some(Point), "0.001"),
            ("19.99", Some(Point), "19.99"),
        ] {
            assert_eq!(shown(text, mark).as_deref(), Some(expected), "{text}");
        }
        for (text, mark) in [
            ("1.5", Comma),
            ("1,2,3", Comma),
            ("12,34.5", Comma),
            ("1234.567,5", Comma),
            (",5", Comma),
            ("12,34", Point),
            ("1234,567", Point),
            ("1,,234", Point),
            ("much", Comma),
        ] {
            assert_eq!(shown(text, Some(mark)), None, "{text}");
        }
    }
}
