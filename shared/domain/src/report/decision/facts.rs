//! What the rules look at, for one variant.

use super::deciding;
use crate::experiment::{Experiment, Status};
use crate::ids::VariantKey;
use crate::metric::MetricRole;
use crate::report::Report;
use crate::report::comparison::{Comparison, Finding};
use crate::report::data_quality::SampleRatioVerdict;
use crate::report::metrics::MetricReport;

/// A week sees every weekday once: user data differ between Monday and Sunday.
const FIRST_WEEK_MICROS: i64 = 7 * 86_400_000_000;
/// A running experiment that has received nothing for so long has lost its data on the way.
const SILENCE_MICROS: i64 = 24 * 3_600_000_000;

/// What the deciding metrics say about a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrimaryState {
    /// There is no metric, or nothing was measured.
    #[default]
    Nothing,
    /// Not the users or conversions that a verdict needs.
    NotEnoughData,
    /// At least one is better and none is worse.
    Better,
    /// At least one is worse.
    Worse,
    /// Nothing can be told apart.
    Undecided,
}

/// How far the experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Nobody is assigned any more, and no further event will count.
    pub over: bool,
    /// It has run for a week.
    pub a_week: bool,
    /// What it was planned to find would have been found by now, with the chance that was asked for.
    pub planned_power: bool,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// A variant with a share of the traffic has no users.
    pub variant_without_users: bool,
    /// The split is not chance.
    pub sample_ratio_mismatch: bool,
    /// The variants differed before.
    pub pre_exposure_imbalance: bool,
    /// The shares changed while users were assigned.
    pub weights_changed: bool,
    /// It runs, and nothing has arrived for a day.
    pub no_recent_events: bool,
    /// A guardrail got worse.
    pub guardrail_worse: bool,
    /// A guardrail with a margin is not proven to be within it.
    pub guardrail_undecided: bool,
    /// The deciding metrics.
    pub primary: PrimaryState,
    /// The whole interval lies below the smallest lift worth having, which was planned.
    pub below_minimum_effect: bool,
    /// The whole interval lies between a loss and a gain of the smallest lift worth having.
    pub equivalent: bool,
    /// How far it is.
    pub readiness: Readiness,
}

impl Facts {
    /// The facts about one variant.
    pub(in crate::report) fn of(
        experiment: &Experiment,
        report: &Report,
        variant: &VariantKey,
    ) -> Self {
        let data_quality = &report.data_quality;
        let comparison = |metric: &'_ MetricReport| -> Option<Comparison> {
            let mut comparisons = metric.comparisons.iter();
            comparisons
                .find(|comparison| comparison.variant == *variant)
                .cloned()
        };
        let guardrails = report
            .metrics
            .iter()
            .filter(|metric| metric.metric.role == MetricRole::Guardrail);
        let guardrails: Vec<(bool, Comparison)> = guardrails
            .filter_map(|metric| Some((metric.metric.margin.is_some(), comparison(metric)?)))
            .collect();
        let primaries: Vec<(f64, Comparison)> = deciding(&report.metrics)
            .into_iter()
            .filter_map(|metric| Some((metric.metric.direction.sign(), comparison(metric)?)))
            .collect();
        let minimum = experiment
            .plan
            .as_ref()
            .map(|plan| plan.minimum_detectable_effect.abs());
        let main = primaries.first();
        Self {
            variant_without_users: !data_quality.variants_without_users.is_empty(),
            sample_ratio_mismatch: data_quality.sample_ratio.verdict
                == SampleRatioVerdict::Mismatch,
            pre_exposure_imbalance: data_quality
                .pre_exposure_imbalance
                .iter()
                .any(|bias| bias.variant == *variant),
            weights_changed: data_quality.weights_changed,
            no_recent_events: no_recent_events(experiment, report),
            guardrail_worse: guardrails
                .iter()
                .any(|(_, comparison)| comparison.finding == Finding::Worse),
            guardrail_undecided: guardrails.iter().any(|(has_margin, comparison)| {
                *has_margin
                    && !comparison
                        .non_inferiority
                        .as_ref()
                        .is_some_and(|margin| margin.shown)
            }),
            primary: state(&primaries),
            below_minimum_effect: minimum
                .is_some_and(|minimum| ends(main).is_some_and(|(_, upper)| upper < minimum)),
            equivalent: minimum.is_some_and(|minimum| {
                ends(main).is_some_and(|(lower, upper)| lower > -minimum && upper < minimum)
            }),
            readiness: readiness(experiment, report, main.map(|(_, comparison)| comparison)),
        }
    }
}

fn state(primaries: &[(f64, Comparison)]) -> PrimaryState {
    let any = |finding| {
        primaries
            .iter()
            .any(|(_, comparison)| comparison.finding == finding)
    };
    if primaries.is_empty() {
        PrimaryState::Nothing
    } else if any(Finding::Worse) {
        PrimaryState::Worse
    } else if any(Finding::Better) {
        PrimaryState::Better
    } else if any(Finding::Undecided) {
        PrimaryState::Undecided
    } else {
        PrimaryState::NotEnoughData
    }
}

/// The ends of the deciding interval of the lift, turned so that up is better.
fn ends(main: Option<&(f64, Comparison)>) -> Option<(f64, f64)> {
    let (sign, comparison) = main?;
    let lift = comparison.decisive.as_ref()?.relative?;
    let (a, b) = (lift.ci_lower * sign, lift.ci_upper * sign);
    Some((a.min(b), a.max(b)))
}

fn no_recent_events(experiment: &Experiment, report: &Report) -> bool {
    let heard = [
        report.freshness.last_event_received_at,
        report.freshness.last_assignment_at,
    ]
    .into_iter()
    .flatten()
    .max();
    let over = experiment.end().is_some_and(|end| end <= report.as_of);
    experiment.status == Status::Running
        && !over
        && heard.is_some_and(|heard| report.as_of.micros() - heard.micros() > SILENCE_MICROS)
}

fn readiness(experiment: &Experiment, report: &Report, main: Option<&Comparison>) -> Readiness {
    let over = experiment.end().is_some_and(|end| end <= report.as_of)
        || matches!(experiment.status, Status::Stopped | Status::Archived);
    let since = report.freshness.first_assignment_at;
    let ran = since.map_or(0, |since| {
        let until = experiment
            .end()
            .map_or(report.as_of, |end| end.min(report.as_of));
        until.micros() - since.micros()
    });
    let power_to_date = main.and_then(|comparison| comparison.power_to_date.as_ref());
    Readiness {
        over,
        a_week: ran >= FIRST_WEEK_MICROS,
        planned_power: power_to_date
            .is_some_and(|power_to_date| power_to_date.power >= power_to_date.target_power),
    }
}
