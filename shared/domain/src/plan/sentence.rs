//! The result of a plan in one sentence.

use super::{Baseline, PlanRequest, PlannedKind, Size};
use crate::prose::grouped;

/// The sentence.
pub(super) fn of(plan_request: &PlanRequest, fixed: &Size, sequential: &Size) -> String {
    let aim = format!("{} with {}", change(plan_request), chance(plan_request));
    let equal = shared_equally(plan_request);
    let each = if equal {
        "users per variant"
    } else {
        "users in all"
    };
    match (users(fixed, equal), users(sequential, equal)) {
        (Some(once), Some(many)) => {
            let time = time(plan_request, fixed, sequential);
            format!(
                "Detecting {aim} needs {once} {each} with the fixed method and {many} with the sequential method{time}."
            )
        }
        (Some(once), None) => format!(
            "Detecting {aim} needs {once} {each} with the fixed method; with the sequential method no allowed number of users is enough."
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
fn users(size: &Size, equal: bool) -> Option<String> {
    let users = if equal {
        size.variants.first()?.users
    } else {
        size.users?
    };
    Some(grouped(users))
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
    let per_day = format!("at {} users per day{part}", grouped(per_day));
    match (fixed.days, sequential.days) {
        (Some(once), Some(many)) => {
            format!(": {} and {} days {per_day}", grouped(once), grouped(many))
        }
        (Some(once), None) => format!(": {} days and more than a century {per_day}", grouped(once)),
        _ => format!(": more than a century {per_day}"),
    }
}

fn percent(part: f64) -> String {
    format!("{}%", rounded(part * 100.0))
}

/// Rounds to four significant digits: 19.0201 to 19.02, 2.0000000000000004 to 2.
fn rounded(number: f64) -> String {
    let digits = format!("{number:.3e}");
    digits
        .parse()
        .map_or(digits, |number: f64| number.to_string())
}
