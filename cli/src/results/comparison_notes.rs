//! Notes below the table of a metric: non-inferiority, capped values, CUPED, power to date, and missing numbers.

use super::number::{brief, p_value, percent, plain, signed};
use super::report::{Analysis, Comparison, Metric};
use super::terminal::{Style, TerminalText, short};
use crate::output::grouped;

/// Prints the notes of each comparison.
pub(super) fn lines(terminal: &mut TerminalText, metric: &Metric, report: &Analysis) {
    let bayesian = report.analysis_settings.deciding_method == "bayesian";
    let level = brief(1.0 - report.analysis_settings.alpha, false);
    for comparison in &metric.comparisons {
        let label = format!("  {}: ", short(&comparison.variant));
        let mut line = |style, text: Option<String>| {
            if let Some(text) = text {
                terminal.prose(style, &label, &text);
            }
        };
        line(
            Style::Plain,
            non_inferiority(comparison, report.decision.trusted()),
        );
        line(Style::Faint, capped(comparison, &level));
        line(Style::Faint, pre_exposure(comparison));
        line(Style::Faint, power_to_date(comparison));
        line(Style::Faint, missing(comparison, metric, &level, bayesian));
    }
}

/// Whether the test excludes a harm of a guardrail that is larger than the margin.
fn non_inferiority(comparison: &Comparison, trusted: bool) -> Option<String> {
    let margin = comparison.non_inferiority.as_ref().filter(|_| trusted)?;
    let allowed = brief(margin.margin, false);
    let worst = if margin.worst < 0.0 {
        format!(
            "in the worst case the variant is {} worse",
            percent(-margin.worst)
        )
    } else {
        format!(
            "in the worst case the variant is {} better",
            percent(margin.worst)
        )
    };
    Some(if margin.shown {
        format!("harm of {allowed} or more is ruled out; {worst}.")
    } else {
        format!("harm of {allowed} or more is not ruled out; {worst}.")
    })
}

/// The comparison of the capped metric.
fn capped(comparison: &Comparison, level: &str) -> Option<String> {
    let capped = comparison.capped.as_ref()?;
    let test = &capped.absolute;
    let (what, (estimate, interval)) = match capped.relative {
        Some(lift) => ("lift", signed(lift, 100.0, "%")),
        None => ("difference", signed(test.interval, 1.0, "")),
    };
    let caps = capped.lower_cap.map_or_else(
        || plain(capped.cap),
        |lower| format!("{} and {}", plain(lower), plain(capped.cap)),
    );
    Some(format!(
        "with values capped at {caps}: {what} {estimate}, {level} interval {interval}, p = {} (fixed test).",
        p_value(test.p_value, test.log10_p_value)
    ))
}

/// By how much CUPED reduces the variance.
fn pre_exposure(comparison: &Comparison) -> Option<String> {
    let reduction = comparison.cuped_adjusted.as_ref()?.variance_reduction;
    Some(if reduction > 0.0 {
        format!(
            "CUPED-adjusted with pre-exposure data, which reduces the variance by {}.",
            percent(reduction)
        )
    } else {
        "CUPED-adjusted with pre-exposure data, which does not reduce the variance.".to_owned()
    })
}

/// The power to date for the planned minimum detectable effect.
fn power_to_date(comparison: &Comparison) -> Option<String> {
    let power_to_date = comparison.power_to_date.as_ref()?;
    let planned = brief(power_to_date.minimum_detectable_effect, true);
    let power = format!("{:.0}%", power_to_date.power * 100.0);
    let text = format!("the power to date for the planned lift of {planned} is {power}");
    let target = brief(power_to_date.target_power, false);
    Some(match power_to_date.additional_users_needed {
        _ if power_to_date.power >= power_to_date.target_power => {
            format!("{text}; the target is {target}.")
        }
        Some(users) => format!("{text}; {} needed for {target} power.", more(users)),
        None => format!("{text}; {target} power cannot be reached."),
    })
}

fn more(users: u64) -> String {
    match users {
        1 => "1 more user is".to_owned(),
        _ => format!("{} more users are", grouped(users)),
    }
}

/// Why the comparison or the lift is missing.
fn missing(
    comparison: &Comparison,
    metric: &Metric,
    level: &str,
    bayesian: bool,
) -> Option<String> {
    let decisive = comparison.decisive.as_ref();
    if decisive.is_some_and(|decisive| decisive.relative.is_some()) {
        return None;
    }
    // If the whole comparison is missing, its reason is enough.
    let of = |wanted: &str| {
        let mut reasons = comparison.missing.iter();
        reasons.find(|reason| reason.what == wanted)
    };
    let wanted = if bayesian { "bayesian" } else { "relative" };
    let reason = of(wanted)
        .or_else(|| of("relative"))
        .or_else(|| comparison.missing.first())?;
    let what = match comparison.absolute {
        Some(_) => "lift",
        None => "comparison",
    };
    let instead = decisive
        .and_then(|decisive| decisive.absolute)
        .map(|difference| {
            let (scale, unit) = match metric.kind.as_str() {
                "conversion" => (100.0, " pp"),
                _ => (1.0, ""),
            };
            let interval = signed(difference, scale, unit).1;
            format!(" The {level} interval of the difference is {interval}.")
        });
    Some(format!(
        "no {what}. {}{}",
        reason.message,
        instead.unwrap_or_default()
    ))
}
