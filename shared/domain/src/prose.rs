//! Numbers in sentences.

/// A whole number with separators: 165801 as 165,801.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with a sign and four significant digits, without trailing zeros: 0.123456 as +0.1235.
pub fn signed(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e15).contains(&size) {
        return format!("{number:+.3e}");
    }
    let text = format!("{number:+.*}", decimals(size, 4));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number without a sign and with four significant digits.
pub fn plain(number: f64) -> String {
    let text = signed(number);
    text.strip_prefix('+').map_or(text.clone(), str::to_owned)
}

/// A share as a signed percentage: one decimal from 1% on, two decimals from 0.01% on, and two significant digits below,
/// so that a number other than zero is never shown as zero.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let size = percent.abs();
    if size == 0.0 || size >= 1.0 {
        format!("{percent:+.1}%")
    } else if size >= 0.01 {
        format!("{percent:+.2}%")
    } else if size < 1e-6 {
        format!("{percent:+.1e}%")
    } else {
        format!("{percent:+.*}%", decimals(size, 2))
    }
}

/// Decimals of a number of this size that show `digits` significant digits.
fn decimals(size: f64, digits: i32) -> usize {
    if size == 0.0 {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an exponent of a finite number"
    )]
    let exponent = size.log10().floor() as i32;
    usize::try_from(digits - 1 - exponent).unwrap_or(0)
}

/// A size or number of elements with separators.
pub fn grouped_size(number: usize) -> String {
    grouped(u64::try_from(number).unwrap_or(u64::MAX))
}

/// A whole number with its noun: `1 row`, `2 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_other_than_zero_is_never_shown_as_zero() {
        for (share, text) in [
            (0.0, "+0.0%"),
            (0.123_4, "+12.3%"),
            (-0.004_2, "-0.42%"),
            (-0.000_323_7, "-0.03%"),
            (0.000_05, "+0.0050%"),
            (-0.000_000_012, "-0.0000012%"),
            (1e-12, "+1.0e-10%"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn numbers_in_sentences_have_four_significant_digits() {
        for (number, text) in [
            (0.030_034_443_684_015_644, "+0.03003"),
            (-12.0, "-12"),
            (0.0, "+0"),
            (123_456.7, "+123457"),
            (0.5, "+0.5"),
            (1e-9, "+1.000e-9"),
        ] {
            assert_eq!(signed(number), text);
        }
        assert_eq!(plain(0.301), "0.301");
        assert_eq!(plain(-3.0), "-3");
    }

    #[test]
    fn numbers_have_thousands_separators_and_nouns_have_a_plural() {
        let written = [0, 999, 1000, 90189, 1234567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "90,189", "1,234,567"]);
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(0, "row"), "0 rows");
        assert_eq!(counted(1000, "row"), "1,000 rows");
    }
}
