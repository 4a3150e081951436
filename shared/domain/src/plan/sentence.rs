//! The result of a plan in one sentence.

use super::{Baseline, PlanRequest, PlannedKind, Size};
use crate::prose::{counted, grouped};

/// The sentence.
pub(super) fn of(plan_request: &PlanRequest, fixed: &Size, sequential: &Size) -> String {
    let aim = format!("{} with {}", change(plan_request), chance(plan_request));
    let equal = shared_equally(plan_request);
    let each = if equal { "per variant" } else { "in all" };
    match (users(fixed, equal), users(sequential, equal)) {
        (Some(once), Some(many)) => {
            let time = time(plan_request, fixed, sequential);
            let (once, many) = (counted(once, "user"), grouped(many));
            format!(
                "Detecting {aim} needs {once} {each} with the fixed method and {many} with the sequential method{time}."
            )
        }
        (Some(once), None) => format!(
            "Detecting {aim} needs {} {each} with the fixed method; with the sequential method no allowed number of users is enough.",
            counted(once, "user")
        ),
        _ => format!("No allowed number of users is enough to detect {aim}."),
    }
}

fn change(plan_request: &PlanRequest) -> String {
    let lift = plan_request.design.minimum_detectable_effect;
    let what = if lift > 0.0 { "rise" } else { "fall" };
    let lift = percent(lift.abs());
    match plan_request.metric.baseline {
        Baseline::Rate { rate } => format!("a {what} of {lift} from a rate of {}", percent(rate)),
        Baseline::Moments { mean, .. } => {
            let value = match plan_request.metric.kind {
                PlannedKind::Ratio => "ratio",
                _ => "mean",
            };
            format!("a {what} of {lift} from a {value} of {}", rounded(mean))
        }
    }
}

fn chance(plan_request: &PlanRequest) -> String {
    let power = format!("{} power", percent(plan_request.design.power));
    match plan_request.comparisons() {
        1 => power,
        comparisons => {
            let alpha = percent(plan_request.design.alpha);
            format!(
                "{power} in each of {comparisons} comparisons with a common error level of {alpha}"
            )
        }
    }
}

fn shared_equally(plan_request: &PlanRequest) -> bool {
    let control = plan_request.design.variants.control().percent;
    let mut variants = plan_request.design.variants.as_slice().iter();
    variants.all(|variant| variant.percent == control)
}

/// Users per variant if all get the same number, else users of all variants.
fn users(size: &Size, equal: bool) -> Option<u64> {
    if equal {
        Some(size.variants.first()?.users)
    } else {
        size.users
    }
}

fn time(plan_request: &PlanRequest, fixed: &Size, sequential: &Size) -> String {
    let Some(per_day) = plan_request.design.users_per_day else {
        return String::new();
    };
    let part = if plan_request.design.traffic_percent < 100.0 {
        let traffic = percent(plan_request.design.traffic_percent / 100.0);
        format!(" with {traffic} of the traffic")
    } else {
        String::new()
    };
    let per_day = format!("at {} per day{part}", counted(per_day, "user"));
    match (fixed.days, sequential.days) {
        // A number of days is read with the noun after the second one, which is never smaller.
        (Some(once), Some(many)) => {
            format!(": {} and {} {per_day}", grouped(once), counted(many, "day"))
        }
        (Some(once), None) => {
            let once = counted(once, "day");
            format!(": {once} and more than a century {per_day}")
        }
        _ => format!(": more than a century {per_day}"),
    }
}

fn percent(part: f64) -> String {
    format!("{}%", rounded(part * 100.0))
}

/// Rounds to four significant digits: 19.0201 to 19.02, 2.0000000000000004 to 2, 1234567 to 1,235,000.
fn rounded(number: f64) -> String {
    let digits = format!("{number:.3e}");
    let Ok(rounded) = digits.parse::<f64>() else {
        return digits;
    };
    let size = rounded.abs();
    // Beyond these sizes the zeros are harder to read than an exponent.
    if size >= 1e15 || (size > 0.0 && size < 1e-6) {
        return format!("{rounded:e}");
    }
    let text = size.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    let sign = if rounded < 0.0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits_and_separators() {
        for (number, expected) in [
            (19.0201, "19.02"),
            (2.000_000_000_000_000_4, "2"),
            (1_234_567.0, "1,235,000"),
            (-1_234.56, "-1,235"),
            (0.1 + 0.2, "0.3"),
            (0.0, "0"),
            (1.234_56e-9, "1.235e-9"),
            (9.99e17, "9.99e17"),
        ] {
            assert_eq!(rounded(number), expected);
        }
    }
}
