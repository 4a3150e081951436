//! What belongs below a metric's table: harm, outliers, the pre exposure, the plan, and why something is missing.

use super::answer::{Analysis, Comparison, Metric};
use super::number::{brief, p_value, percent, plain, signed};
use super::paper::{Ink, Paper, short};
use crate::output::counted;

/// A line for each thing that a comparison has beside its row.
pub(super) fn lines(paper: &mut Paper, metric: &Metric, answer: &Analysis) {
    let bayesian = answer.analysis_settings.deciding_method == "bayesian";
    let level = brief(1.0 - answer.analysis_settings.alpha, false);
    for comparison in &metric.comparisons {
        let label = format!("  {}: ", short(&comparison.variant));
        let mut line = |ink, text: Option<String>| {
            if let Some(text) = text {
                paper.prose(ink, &label, &text);
            }
        };
        line(Ink::Plain, harm(comparison, answer.decision.trusted()));
        line(Ink::Faint, cut(comparison, &level));
        line(Ink::Faint, pre_exposure(comparison));
        line(Ink::Faint, plan(comparison));
        line(Ink::Faint, missing(comparison, metric, &level, bayesian));
    }
}

/// Whether a guardrail is proven to be unharmed.
fn harm(comparison: &Comparison, trusted: bool) -> Option<String> {
    let margin = comparison.non_inferiority.as_ref().filter(|_| trusted)?;
    let allowed = brief(margin.margin, false);
    let worst = if margin.worst < 0.0 {
        format!("at worst it is {} worse", percent(-margin.worst))
    } else {
        format!("at worst it is {} better", percent(margin.worst))
    };
    Some(if margin.shown {
        format!("harm of {allowed} or more is ruled out; {worst}.")
    } else {
        format!("harm of {allowed} or more is not ruled out; {worst}.")
    })
}

/// The comparison with outliers cut.
fn cut(comparison: &Comparison, level: &str) -> Option<String> {
    let capped = comparison.capped.as_ref()?;
    let test = &capped.absolute;
    let (what, (estimate, interval)) = match capped.relative {
        Some(lift) => ("lift", signed(lift, 100.0, " %")),
        None => ("difference", signed(test.interval, 1.0, "")),
    };
    Some(format!(
        "with outliers cut to {}: {what} {estimate}, {level} interval {interval} for one look, p = {}.",
        plain(capped.cap),
        p_value(test.p_value, test.log10_p_value)
    ))
}

/// What the users' pre exposure took away.
fn pre_exposure(comparison: &Comparison) -> Option<String> {
    let reduction = comparison.cuped_adjusted.as_ref()?.variance_reduction;
    Some(if reduction > 0.0 {
        format!(
            "adjusted by what users did before, which takes {} of the variance away.",
            percent(reduction)
        )
    } else {
        "adjusted by what users did before, which explains nothing here.".to_owned()
    })
}

/// How far the experiment is.
fn plan(comparison: &Comparison) -> Option<String> {
    let power_to_date = comparison.power_to_date.as_ref()?;
    let planned = brief(power_to_date.minimum_detectable_effect, true);
    let power = format!("{:.0} %", power_to_date.power * 100.0);
    let text = format!("a lift of {planned}, as planned, is found with a chance of {power} by now");
    let wanted = brief(power_to_date.target_power, false);
    Some(match power_to_date.additional_users_needed {
        _ if power_to_date.power >= power_to_date.target_power => {
            format!("{text} ({wanted} were asked for).")
        }
        Some(users) => format!("{text}; {wanted} take {} more.", counted(users, "user")),
        None => format!("{text}; {wanted} are out of reach."),
    })
}

/// Why there is no comparison, or no lift.
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
    // What is missing because the whole is missing needs no words of its own.
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
