//! The sentences of a decision.

use super::rules::{Reason, Ruling, Verdict};
use crate::aggregates::MAX_TYPES_SHOWN;
use crate::coverage::PendingRecords;
use crate::ids::VariantKey;
use crate::prose::{counted, grouped, percent, plain, signed};
use crate::report::analysis::Analysis;
use crate::report::comparison::{Comparison, Finding};
use crate::report::data_quality::{SampleRatio, SampleRatioVerdict};
use crate::report::effects::Bounds;
use crate::report::metrics::{MetricReport, deciding, guardrails};
use crate::report::request::{AnalysisSettings, DecidingMethod};

/// The headline while there is no comparison.
pub(super) fn nothing() -> String {
    "Keep running: there is no variant to compare yet.".to_owned()
}

/// A lift with its interval.
pub(in crate::report) fn range(lift: &Bounds, level_percent: f64) -> String {
    format!(
        "{} ({level_percent}% interval {} to {})",
        percent(lift.estimate),
        percent(lift.ci_lower),
        percent(lift.ci_upper)
    )
}

fn comparison<'r>(metric: &'r MetricReport, variant: &VariantKey) -> Option<&'r Comparison> {
    let mut comparisons = metric.comparisons.iter();
    comparisons.find(|comparison| comparison.variant == *variant)
}

/// The lift of a metric with its interval, else its absolute effect, else the values of both variants.
pub(in crate::report) fn effect(
    metric: &MetricReport,
    variant: &VariantKey,
    settings: &AnalysisSettings,
) -> String {
    let Some(comparison) = comparison(metric, variant) else {
        return "no estimate yet".to_owned();
    };
    let decisive = comparison.decisive.as_ref();
    let level = settings.level_percent();
    if let Some(lift) = decisive.and_then(|decisive| decisive.relative.as_ref()) {
        return range(lift, level);
    }
    if let Some(difference) = decisive.and_then(|decisive| decisive.absolute.as_ref()) {
        return format!(
            "{} ({level}% interval {} to {})",
            signed(difference.estimate),
            signed(difference.ci_lower),
            signed(difference.ci_upper)
        );
    }
    let mean = |key: &VariantKey| {
        let mut values = metric.variants.iter();
        values.find(|value| value.key == *key)?.mean
    };
    match (mean(variant), mean(&comparison.baseline)) {
        (Some(own), Some(baseline)) => format!("{} instead of {}", plain(own), plain(baseline)),
        _ => "no estimate yet".to_owned(),
    }
}

/// The first deciding metric with this finding, else the first deciding metric.
fn main<'r>(
    analysis: &'r Analysis,
    variant: &VariantKey,
    finding: Finding,
) -> Option<&'r MetricReport> {
    let deciding = deciding(&analysis.metrics);
    let found = deciding.iter().find(|metric| {
        comparison(metric, variant).is_some_and(|comparison| comparison.finding == finding)
    });
    found.or(deciding.first()).copied()
}

/// The sentence about results that do not contain all stored records yet.
pub(super) fn still_counting(pending: PendingRecords) -> String {
    let counted = pending.stored.saturating_sub(pending.pending);
    let more = if pending.count_incomplete {
        "more than "
    } else {
        ""
    };
    format!(
        "Keep running: still counting, {} of {more}{} records are in these results.",
        grouped(counted),
        grouped(pending.stored)
    )
}

/// The sentence for one variant.
pub(super) fn sentence(
    analysis: &Analysis,
    variant: &VariantKey,
    ruling: Ruling,
    pending: PendingRecords,
) -> String {
    let about = |finding| {
        main(analysis, variant, finding).map_or_else(
            || "the metric".to_owned(),
            |metric| {
                format!(
                    "{}: {}",
                    metric.metric.quoted(),
                    effect(metric, variant, &analysis.settings)
                )
            },
        )
    };
    let start = match ruling.verdict {
        Verdict::Ship => format!("Ship `{variant}`"),
        Verdict::KeepRunning => "Keep running".to_owned(),
        Verdict::Stop => format!("Stop, and keep `{}`", baseline(analysis, variant)),
        Verdict::DoNotTrust => "Do not trust these numbers".to_owned(),
    };
    let why = match ruling.reason {
        Reason::StillCounting => return still_counting(pending),
        Reason::VariantWithoutUsers => {
            let keys: Vec<String> = analysis
                .data_quality
                .variants_without_users
                .iter()
                .map(|key| format!("`{key}`"))
                .collect();
            format!("{} should have users and has none", keys.join(", "))
        }
        Reason::SampleRatioMismatch => split(&analysis.data_quality.sample_ratio),
        Reason::PreExposureImbalance => format!("the users of `{variant}` differed from the others before exposure"),
        Reason::WeightsChanged => "the weights of the variants changed while users were assigned, so different kinds of users are compared; read the results by `phase`, or start a new experiment".to_owned(),
        Reason::NoRecentEvents => "the experiment is running, and no event or assignment has arrived for more than a day".to_owned(),
        Reason::NoData => "nothing has been measured yet".to_owned(),
        Reason::NotEnoughData => format!("there is not enough data yet{}", missing(analysis, variant, Finding::NotEnoughData)),
        Reason::NotMeasurable => format!("no comparison is possible{}", missing(analysis, variant, Finding::NotMeasurable)),
        Reason::GuardrailWorse => guardrail(analysis, variant, "gets worse", |comparison| {
            comparison.finding == Finding::Worse
        }),
        Reason::GuardrailUndecided => format!(
            "better on {}, but {}",
            about(Finding::Better),
            guardrail(analysis, variant, "is not yet shown to be within its margin", |comparison| {
                comparison.non_inferiority.as_ref().is_some_and(|margin| !margin.shown)
            })
        ),
        Reason::PrimaryWorse => format!("`{variant}` is worse on {}", about(Finding::Worse)),
        Reason::BelowMinimumEffect => format!("better, but by less than the minimum detectable effect, on {}", about(Finding::Better)),
        Reason::FirstWeek => format!("better so far on {}, but the experiment has not run for a week", about(Finding::Better)),
        Reason::PrimaryBetter => format!("better on {}", about(Finding::Better)),
        Reason::Equivalent => format!("no relevant difference on {}", about(Finding::Undecided)),
        Reason::NoEffectFound => format!("no clear difference was found on {}", about(Finding::Undecided)),
        Reason::Undecided => format!("no clear difference so far on {}", about(Finding::Undecided)),
    };
    format!("{start}: {why}.")
}

fn baseline(analysis: &Analysis, variant: &VariantKey) -> String {
    let comparisons = analysis
        .metrics
        .iter()
        .flat_map(|metric| &metric.comparisons);
    let found = comparisons
        .filter(|comparison| comparison.variant == *variant)
        .map(|comparison| comparison.baseline.to_string())
        .next();
    found
        .or_else(|| {
            analysis
                .variants
                .first()
                .map(|variant| variant.key.to_string())
        })
        .unwrap_or_default()
}

fn split(check: &SampleRatio) -> String {
    let seen: Vec<String> = check.observed.iter().map(|users| grouped(*users)).collect();
    let expected: Vec<String> = check
        .expected
        .iter()
        .map(|users| grouped(whole(*users)))
        .collect();
    let chance = match check.p_value {
        Some(p) if p >= 1e-9 => format!(
            ", which happens by chance in one of {} experiments",
            grouped(whole(1.0 / p))
        ),
        Some(_) => ", which does not happen by chance".to_owned(),
        None => String::new(),
    };
    format!(
        "the variants have {} users, and {} were expected{chance}",
        seen.join(" and "),
        expected.join(" and ")
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is not negative"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The metric without a finding, and why it has none.
fn missing(analysis: &Analysis, variant: &VariantKey, finding: Finding) -> String {
    let Some(metric) = main(analysis, variant, finding) else {
        return String::new();
    };
    let missing = comparison(metric, variant).map(|comparison| comparison.missing.as_slice());
    let missing = missing.unwrap_or_default();
    let why = missing.iter().find(|missing| missing.what == "finding");
    // Without any effect, the reason of the effect says why there is no finding.
    let why = why.or(missing.first());
    let why = why.map(|missing| missing.why.to_string());
    why.map_or_else(
        || format!(" on {}", metric.metric.quoted()),
        |why| format!(" on {}: {}", metric.metric.quoted(), continued(&why)),
    )
}

/// A sentence as a part of another one: in lower case, and without its full stop.
fn continued(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut rest = sentence.chars();
    let first = rest.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

fn guardrail(
    analysis: &Analysis,
    variant: &VariantKey,
    what: &str,
    wanted: impl Fn(&Comparison) -> bool,
) -> String {
    let found = guardrails(&analysis.metrics)
        .find(|metric| comparison(metric, variant).is_some_and(&wanted));
    found.map_or_else(
        || format!("a guardrail {what}"),
        |metric| {
            format!(
                "the guardrail {} {what}: {}",
                metric.metric.quoted(),
                effect(metric, variant, &analysis.settings)
            )
        },
    )
}

/// Further observations.
pub(super) fn notes(analysis: &Analysis) -> Vec<String> {
    let mut notes = Vec::new();
    let check = &analysis.data_quality.sample_ratio;
    if let (Some(p), SampleRatioVerdict::Ok) = (check.p_value, check.verdict)
        && p < 0.05
    {
        notes.push(format!(
            "The split ({}) is slightly uneven (p = {p:.4}), which is within chance; the alarm threshold is {}.",
            check.observed.iter().map(|users| grouped(*users)).collect::<Vec<_>>().join(" and "),
            check.threshold
        ));
    }
    for unsent in &analysis.data_quality.dimensions_without_values {
        notes.push(format!(
            "The dimension `{}` has a value for {} of {} users: send it with the requests that assign users.",
            unsent.dimension,
            grouped(unsent.users_with_value),
            grouped(unsent.users)
        ));
    }
    if analysis.settings.deciding_method == DecidingMethod::Fixed {
        notes.push(
            "These p-values and intervals are valid for one reading at a size that was fixed in advance."
                .to_owned(),
        );
    }
    for metric in &analysis.metrics {
        for trend in metric.novelty.iter().filter(|trend| trend.novelty_effect) {
            notes.push(format!(
                "The effect of `{}` on {} decays from one day's new users to the next day's: it may be a novelty effect.",
                trend.variant,
                metric.metric.quoted()
            ));
        }
        for dimension in metric
            .dimensions
            .iter()
            .filter(|dimension| !dimension.different.is_empty())
        {
            notes.push(format!(
                "The effect of `{}` on {} differs by {}: {}.",
                dimension.variant,
                metric.metric.quoted(),
                dimension.by,
                dimension.different.join(", ")
            ));
        }
    }
    let outlier_users: u64 = analysis
        .variants
        .iter()
        .map(|variant| variant.outlier_users)
        .sum();
    if analysis.event_types_left_out > 0 {
        notes.push(format!(
            "Metrics are shown for the {MAX_TYPES_SHOWN} most frequent event types, and not for {} others: declare metrics for the types that matter.",
            analysis.event_types_left_out
        ));
    }
    if analysis.metrics_not_broken_down > 0 {
        notes.push(format!(
            "{} of {} metrics have no results by dimension, because the answer has no room for them: select metrics to see theirs.",
            analysis.metrics_not_broken_down,
            analysis.metrics.len()
        ));
    }
    let excluded_users: u64 = analysis
        .variants
        .iter()
        .map(|variant| variant.excluded_users)
        .sum();
    if excluded_users > 0 {
        notes.push(format!(
            "{} are excluded by the definition of the experiment and left out.",
            counted(excluded_users, "user")
        ));
    }
    if outlier_users > 0 {
        notes.push(format!(
            "{} outlier users have implausibly many events or values and are left out.",
            grouped(outlier_users)
        ));
    }
    notes
}
