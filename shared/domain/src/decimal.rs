//! Values of events as exact decimals: an integer of millionths.
//!
//! Binary floating point cannot add 0.1 ten times and subtract it again. These sums can be undone exactly, which is
//! what makes an aggregate equal to a recomputation.

use super::prose::grouped;
use super::{Invalid, limits};

/// An exact number of millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Decimal(i128);

/// Digits after the point.
const SCALE: usize = 6;
/// Millionths in one unit.
pub const MILLIONTHS: i128 = 1_000_000;

impl Decimal {
    /// This number of millionths.
    pub fn from_millionths(millionths: i128) -> Self {
        Self(millionths)
    }

    /// The number in millionths.
    pub fn millionths(self) -> i128 {
        self.0
    }

    /// Reads a number as JSON writes it (`19.99`, `-3`, `1e-3`) without passing through floating point.
    /// Digits beyond the sixth are rounded half to even.
    ///
    /// # Errors
    /// If the text is not a number, or beyond ± [`limits::MAX_VALUE_UNITS`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("not_a_number", "Must be a number such as 19.99.");
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(wrong)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if whole.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(wrong());
        }
        // The position of the decimal point in `digits`, after the exponent.
        let point = exponent.saturating_add(i64::try_from(whole.len()).unwrap_or(i64::MAX));
        let magnitude = scale_and_round(&digits, point).ok_or_else(|| {
            Invalid::new(
                "too_large",
                format!(
                    "Must be between -{0} and {0}.",
                    grouped(limits::MAX_VALUE_UNITS.try_into().unwrap_or(u64::MAX))
                ),
            )
        })?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

/// Up to this number, an `f64` represents every whole number.
const EXACT_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number in every form that JSON has for it: `8`, `8.0`, `8e0`. Many languages write a number with a
/// fraction although it has none.
///
/// `None` if it is no whole number, negative, or above 2^53 in another form than digits.
pub fn whole(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let fits = number.fract() == 0.0 && (0.0..=EXACT_WHOLE).contains(&number);
        fits.then_some(number as u64)
    })
}

/// An exponent that is too long for an integer saturates.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits
        .parse::<i64>()
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4);
    Some(if negative { -size } else { size })
}

/// The millionths of `0.d1d2d3…` × 10^point, rounded half to even; `None` beyond the limit.
fn scale_and_round(digits: &[u8], point: i64) -> Option<i128> {
    let limit = limits::MAX_VALUE_UNITS * MILLIONTHS;
    let kept = point.saturating_add(SCALE as i64); // how many digits stand before the cut
    let mut value: i128 = 0;
    let mut rest = std::cmp::Ordering::Less; // what was cut off, compared with one half
    let mut rest_is_zero = true;
    for (place, digit) in digits.iter().enumerate() {
        let (place, digit) = (i64::try_from(place).ok()?, i128::from(digit - b'0'));
        if place < kept {
            value = value * 10 + digit;
            if value > limit {
                return None;
            }
        } else if place == kept {
            rest = digit.cmp(&5);
            rest_is_zero = digit == 0;
        } else if digit != 0 {
            rest_is_zero = false;
            if rest == std::cmp::Ordering::Equal {
                rest = std::cmp::Ordering::Greater;
            }
        }
    }
    let missing = kept.saturating_sub(i64::try_from(digits.len()).ok()?);
    if value != 0 {
        for _ in 0..missing.max(0) {
            value *= 10;
            if value > limit {
                return None;
            }
        }
    }
    let up = !rest_is_zero
        && match rest {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => value % 2 == 1,
            std::cmp::Ordering::Less => false,
        };
    let rounded = value + i128::from(up);
    (rounded <= limit).then_some(rounded)
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / 1_000_000, magnitude % 1_000_000);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_read_in_every_form_of_json() {
        for (text, expected) in [
            ("8", Some(8)),
            ("8.0", Some(8)),
            ("8e0", Some(8)),
            ("80E-1", Some(8)),
            ("1e12", Some(1_000_000_000_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("8.5", None),
            ("-8", None),
            ("1e300", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_exactly_as_written() {
        let read = |text| Decimal::parse(text).map(|value| value.to_string());
        for (text, expected) in [
            ("19.99", "19.99"),
            ("-0.000001", "-0.000001"),
            ("1e-3", "0.001"),
            ("1.5E+3", "1500"),
            ("123456789.123456", "123456789.123456"),
            ("0.0000005", "0"),
            ("0.0000015", "0.000002"),
            ("0.00000050000000001", "0.000001"),
            ("0e999999999999999999999", "0"),
            ("1e-999999999999999999999", "0"),
            ("1000000000", "1000000000"),
            ("-0", "0"),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in [
            "1e400",
            "1000000000.000001",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(read(text).unwrap_err().code, "too_large", "{text}");
        }
        for text in ["", "-", "NaN", "1.2.3", "1e", "0x10", "Infinity", ".5"] {
            assert_eq!(read(text).unwrap_err().code, "not_a_number", "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_to_the_same_number(
            millionths in -1_000_000_000_000_000_i128..=1_000_000_000_000_000,
        ) {
            let value = Decimal::from_millionths(millionths);
            prop_assert_eq!(Decimal::parse(&value.to_string()).unwrap(), value);
        }
    }
}
