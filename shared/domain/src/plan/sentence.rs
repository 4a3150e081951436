//! The answer in words.

use super::{Baseline, PlannedKind, Question, Size};
use crate::prose::grouped;

/// What it takes, for a person.
pub(super) fn of(question: &Question, fixed: &Size, sequential: &Size) -> String {
    let aim = format!("{} with {}", change(question), chance(question));
    let equal = shared_equally(question);
    let each = if equal {
        "users a variant"
    } else {
        "users in all"
    };
    match (users(fixed, equal), users(sequential, equal)) {
        (Some(once), Some(watched)) => {
            let time = time(question, fixed, sequential);
            format!("To find {aim} takes {once} {each} for one look, {watched} if watched{time}.")
        }
        (Some(once), None) => format!(
            "To find {aim} takes {once} {each} for one look; watched, no number of users in range is enough."
        ),
        _ => format!("No number of users in range is enough to find {aim}."),
    }
}

fn change(question: &Question) -> String {
    let lift = question.design.minimum_lift;
    let what = if lift > 0.0 { "rise" } else { "fall" };
    let lift = percent(lift.abs());
    match question.metric.baseline {
        Baseline::Rate { rate } => format!("a {what} of {lift} of a rate of {}", percent(rate)),
        Baseline::Moments { mean, .. } => {
            let value = match question.metric.kind {
                PlannedKind::Ratio => "ratio",
                _ => "mean",
            };
            format!("a {what} of {lift} of a {value} of {}", rounded(mean))
        }
    }
}

fn chance(question: &Question) -> String {
    let power = format!("{} power", percent(question.design.power));
    match question.comparisons() {
        1 => power,
        comparisons => {
            let alpha = percent(question.design.alpha);
            format!(
                "{power} in each of {comparisons} comparisons, which share an error of {alpha},"
            )
        }
    }
}

fn shared_equally(question: &Question) -> bool {
    let control = question.design.variants.control().percent;
    let mut variants = question.design.variants.as_slice().iter();
    variants.all(|variant| variant.percent == control)
}

/// By variant where all get the same number, else all together.
fn users(size: &Size, equal: bool) -> Option<String> {
    let users = if equal {
        size.variants.first()?.users
    } else {
        size.users?
    };
    Some(grouped(users))
}

fn time(question: &Question, fixed: &Size, sequential: &Size) -> String {
    let Some(per_day) = question.design.users_per_day else {
        return String::new();
    };
    let part = if question.design.traffic_percent < 100.0 {
        let traffic = percent(question.design.traffic_percent / 100.0);
        format!(", of whom {traffic} take part")
    } else {
        String::new()
    };
    let per_day = format!("at {} users a day{part}", grouped(per_day));
    match (fixed.days, sequential.days) {
        (Some(once), Some(watched)) => {
            format!(
                ": {} and {} days {per_day}",
                grouped(once),
                grouped(watched)
            )
        }
        (Some(once), None) => format!(": {} days and over a century {per_day}", grouped(once)),
        _ => format!(": over a century {per_day}"),
    }
}

fn percent(part: f64) -> String {
    format!("{} %", rounded(part * 100.0))
}

/// Four digits that count: 19.0201 as 19.02, 2.0000000000000004 as 2.
fn rounded(number: f64) -> String {
    let digits = format!("{number:.3e}");
    digits
        .parse()
        .map_or(digits, |number: f64| number.to_string())
}
