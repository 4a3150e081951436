//! Formats numbers with as many digits as are significant.

use super::report::Interval;
use crate::output::{counted, grouped};

/// Formats a share as a percentage.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Two decimals would round a rate of 0.031% to 0.03%.
    let decimals = if percent == 0.0 || percent.abs() >= 1.0 {
        2
    } else {
        4
    };
    format!("{percent:.decimals$}%")
}

/// Formats a mean with two decimals, or with four if it is below 1.
pub(super) fn plain(number: f64) -> String {
    let size = number.abs();
    if size >= 1e15 || (size != 0.0 && size < 0.001) {
        return format!("{number:.3e}");
    }
    let decimals = if size < 1.0 && size != 0.0 { 4 } else { 2 };
    let text = format!("{size:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let sign = if number < 0.0 { "-" } else { "" };
    format!(
        "{sign}{}.{fraction}",
        grouped(whole.parse().unwrap_or_default())
    )
}

/// Formats a number that is not negative with one decimal.
pub(super) fn one_decimal(number: f64) -> String {
    let text = format!("{number:.1}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    format!("{whole}.{fraction}")
}

/// Formats an estimate and its interval, multiplied by `scale`. The width of the interval decides the number of decimals.
pub(super) fn signed(interval: Interval, scale: f64, unit: &str) -> (String, String) {
    let half = (interval.ci_upper - interval.ci_lower).abs() * scale / 2.0;
    let decimals = match half {
        half if half >= 1.0 => 1,
        half if half >= 0.1 => 2,
        half if half >= 0.01 => 3,
        _ => 5,
    };
    let number = |number: f64| {
        let text = format!("{:.decimals$}", (number * scale).abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        // A number that is rounded to zero gets a plus sign.
        let nothing = text.chars().all(|c| matches!(c, '0' | '.'));
        let sign = if number < 0.0 && !nothing { "-" } else { "+" };
        // A number that does not fit in an integer gets no thousands separators.
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        format!("{sign}{whole}.{fraction}{unit}")
    };
    let between = format!(
        "{} to {}",
        number(interval.ci_lower),
        number(interval.ci_upper)
    );
    (number(interval.estimate), between)
}

/// Formats a p-value. If it is too small for a number, its logarithm is used.
pub(super) fn p_value(p: f64, log10: f64) -> String {
    if p >= 0.001 {
        format!("{p:.4}")
    } else if p > 0.0 {
        format!("{p:.1e}")
    } else {
        format!("1e{}", log10.floor())
    }
}

/// Formats a p-value without a known logarithm.
pub(super) fn bare_p_value(p: f64) -> String {
    p_value(p, p.max(f64::MIN_POSITIVE).log10())
}

/// Formats a chance as a percentage. It never shows 0% or 100%.
pub(super) fn chance(share: f64) -> String {
    match share {
        share if share > 0.9999 => "> 99.99%".to_owned(),
        share if share < 0.0001 => "< 0.01%".to_owned(),
        share => format!("{:.2}%", share * 100.0),
    }
}

/// Formats a share as a percentage without trailing zeros: `80%`, `99.9%`, or `+2.5%` with a sign.
pub(super) fn brief(share: f64, sign: bool) -> String {
    let text = format!("{:.3}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let plus = if sign && share > 0.0 { "+" } else { "" };
    format!("{plus}{text}%")
}

/// Formats a number as an integer with its sign and thousands separators.
pub(super) fn signed_whole(number: f64) -> String {
    if number.abs() >= 1e15 {
        return format!("{number:+.3e}");
    }
    let text = format!("{:.0}", number.abs());
    let sign = if number < 0.0 { "-" } else { "+" };
    format!("{sign}{}", grouped(text.parse().unwrap_or_default()))
}

/// Formats a duration in its largest unit: `3 minutes`, `2 days`.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    match seconds {
        0..60 => counted(seconds, "second"),
        60..7_200 => counted(seconds / 60, "minute"),
        7_200..172_800 => counted(seconds / 3_600, "hour"),
        _ => counted(seconds / 86_400, "day"),
    }
}

/// Formats a time without seconds: `2026-01-31 09:30 UTC`.
pub(super) fn minute(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_significant_digits() {
        assert_eq!(percent(0.4481879), "44.82%");
        assert_eq!(percent(0.00031), "0.0310%");
        assert_eq!(plain(52.45626), "52.46");
        assert_eq!(plain(1_234_567.0), "1,234,567.00");
        assert_eq!(one_decimal(4965.5), "4,965.5");
        assert_eq!(plain(-0.5), "-0.5000");
        assert_eq!(plain(0.0), "0.00");
        assert_eq!(plain(0.0331), "0.0331");
        assert_eq!(p_value(0.0744, -1.1), "0.0744");
        assert_eq!(p_value(2.4e-5, -4.6), "2.4e-5");
        assert_eq!(p_value(0.0, -400.5), "1e-401");
        assert_eq!(chance(0.999999), "> 99.99%");
        assert_eq!(chance(0.9731), "97.31%");
        assert_eq!(brief(0.05, true), "+5%");
        assert_eq!(brief(0.999, false), "99.9%");
        assert_eq!(signed_whole(-12_345.6), "-12,346");
        assert_eq!(duration(59), "59 seconds");
        assert_eq!(duration(7_199), "119 minutes");
        assert_eq!(duration(172_800), "2 days");
        let interval = Interval {
            estimate: -0.0131,
            ci_lower: -0.0274,
            ci_upper: 0.0013,
        };
        let written = ("-1.3%".to_owned(), "-2.7% to +0.1%".to_owned());
        assert_eq!(signed(interval, 100.0, "%"), written);
    }
}
