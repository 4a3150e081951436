//! The facts about one variant that the rules decide by.

use crate::coverage::PendingRecords;
use crate::experiment::Status;
use crate::ids::VariantKey;
use crate::report::analysis::Analysis;
use crate::report::comparison::{Comparison, Finding};
use crate::report::data_quality::SampleRatioVerdict;
use crate::report::inputs::AnalysisInputs;
use crate::report::metrics::{MetricReport, deciding, guardrails};

/// A week has every weekday once: users behave differently on Mondays and Sundays.
const FIRST_WEEK_MICROS: i64 = 7 * 86_400_000_000;
/// A running experiment that receives nothing for so long has probably lost its instrumentation.
const SILENCE_MICROS: i64 = 24 * 3_600_000_000;

/// The findings of the deciding metrics about a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrimaryState {
    /// There is no metric, or no comparison.
    #[default]
    Nothing,
    /// The data are below the minimum that a finding needs.
    NotEnoughData,
    /// There is enough data, and no comparison is possible for another reason.
    NotMeasurable,
    /// At least one is better and none is worse.
    Better,
    /// At least one is worse.
    Worse,
    /// No difference is shown.
    Undecided,
}

/// How far the experiment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// The experiment has ended: no user is assigned and no later event is counted.
    pub over: bool,
    /// It has run for a week.
    pub a_week: bool,
    /// The planned power for the planned effect is reached.
    pub planned_power: bool,
}

/// The facts that the rules decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Too many stored records are not in the aggregates yet.
    pub still_counting: bool,
    /// A variant with traffic has no users.
    pub variant_without_users: bool,
    /// The sample ratio differs from the weights by more than chance.
    pub sample_ratio_mismatch: bool,
    /// The arms differed before exposure.
    pub pre_exposure_imbalance: bool,
    /// The weights changed while users were assigned.
    pub weights_changed: bool,
    /// It is running, and no event or assignment has arrived for a day.
    pub no_recent_events: bool,
    /// A guardrail got worse.
    pub guardrail_worse: bool,
    /// A guardrail with a margin is not shown to be within it.
    pub guardrail_undecided: bool,
    /// The findings of the deciding metrics.
    pub primary: PrimaryState,
    /// The whole interval is below the planned minimum detectable effect.
    pub below_minimum_effect: bool,
    /// The whole interval is between a loss and a gain of the minimum detectable effect.
    pub equivalent: bool,
    /// How far the experiment has come.
    pub readiness: Readiness,
}

impl Facts {
    /// The facts about one variant.
    pub(in crate::report) fn of(
        inputs: &AnalysisInputs<'_>,
        analysis: &Analysis,
        variant: &VariantKey,
        pending: PendingRecords,
    ) -> Self {
        let data_quality = &analysis.data_quality;
        let comparison = |metric: &'_ MetricReport| -> Option<Comparison> {
            let mut comparisons = metric.comparisons.iter();
            comparisons
                .find(|comparison| comparison.variant == *variant)
                .cloned()
        };
        let guardrails: Vec<(bool, Comparison)> = guardrails(&analysis.metrics)
            .filter_map(|metric| Some((metric.metric.margin.is_some(), comparison(metric)?)))
            .collect();
        let primaries: Vec<(f64, Comparison)> = deciding(&analysis.metrics)
            .into_iter()
            .filter_map(|metric| Some((metric.metric.direction.sign(), comparison(metric)?)))
            .collect();
        let minimum = inputs
            .experiment
            .analysis
            .plan
            .as_ref()
            .map(|plan| plan.minimum_detectable_effect.abs());
        let main = primaries.first();
        Self {
            still_counting: pending.still_counting(),
            variant_without_users: !data_quality.variants_without_users.is_empty(),
            sample_ratio_mismatch: data_quality.sample_ratio.verdict
                == SampleRatioVerdict::Mismatch,
            pre_exposure_imbalance: data_quality
                .pre_exposure_imbalance
                .iter()
                .any(|bias| bias.variant == *variant),
            weights_changed: data_quality.weights_changed,
            no_recent_events: no_recent_events(inputs),
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
            readiness: readiness(inputs, main.map(|(_, comparison)| comparison)),
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
    } else if any(Finding::NotEnoughData) {
        PrimaryState::NotEnoughData
    } else {
        PrimaryState::NotMeasurable
    }
}

/// The interval of the lift by the deciding method, with its sign turned so that positive is better.
fn ends(main: Option<&(f64, Comparison)>) -> Option<(f64, f64)> {
    let (sign, comparison) = main?;
    let lift = comparison.decisive.as_ref()?.relative?;
    let (a, b) = (lift.ci_lower * sign, lift.ci_upper * sign);
    Some((a.min(b), a.max(b)))
}

fn no_recent_events(inputs: &AnalysisInputs<'_>) -> bool {
    let (experiment, as_of) = (inputs.experiment, inputs.request.as_of);
    let range = &inputs.aggregates.data_range;
    let last_assignment = range.assigned.map(|(_, last)| last);
    let latest = range.received_last.max(last_assignment);
    let over = experiment.end().is_some_and(|end| end <= as_of);
    experiment.status == Status::Running
        && !over
        && latest.is_some_and(|latest| as_of.micros() - latest.micros() > SILENCE_MICROS)
}

fn readiness(inputs: &AnalysisInputs<'_>, main: Option<&Comparison>) -> Readiness {
    let (experiment, as_of) = (inputs.experiment, inputs.request.as_of);
    let over = experiment.end().is_some_and(|end| end <= as_of)
        || matches!(experiment.status, Status::Stopped | Status::Archived);
    let assigned = inputs.aggregates.data_range.assigned;
    let ran = assigned.map_or(0, |(since, _)| {
        let until = experiment.end().map_or(as_of, |end| end.min(as_of));
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
