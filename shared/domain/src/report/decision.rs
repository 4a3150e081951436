//! The decision: the facts of an analysis, the rule that applies to them, and its sentence.

mod facts;
mod impact;
mod rules;
pub(super) mod words;

pub use facts::{Facts, PrimaryState, Readiness};
pub use impact::Impact;
pub use rules::{Reason, Ruling, Verdict, decide};

use super::analysis::Analysis;
use super::comparison::Finding;
use super::inputs::AnalysisInputs;
use super::metrics::{MetricReport, deciding};
use crate::coverage::PendingRecords;
use crate::experiment::Experiment;
use crate::ids::VariantKey;
use serde::Serialize;

/// What to do with the experiment, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The verdict and its reason in one sentence.
    pub headline: String,
    /// Further observations, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The variant that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
    /// The decision about each variant.
    pub variants: Vec<VariantDecision>,
    /// Whole days until the experiment has its planned power, at the current traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<u64>,
    /// The expected effect of shipping that variant to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
}

/// The decision about one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantDecision {
    /// The variant.
    pub variant: VariantKey,
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The verdict and its reason in one sentence.
    pub sentence: String,
}

impl Decision {
    /// The decision that follows from an analysis.
    pub(super) fn new(
        inputs: &AnalysisInputs<'_>,
        analysis: &Analysis,
        pending: PendingRecords,
    ) -> Self {
        let still_counting = pending.still_counting();
        let variants: Vec<VariantDecision> = inputs
            .others()
            .filter_map(|index| inputs.experiment.allocation.variants.as_slice().get(index))
            .map(|variant| {
                let facts = Facts::of(inputs, analysis, &variant.key, pending);
                let ruling = decide(&facts);
                VariantDecision {
                    variant: variant.key.clone(),
                    verdict: ruling.verdict,
                    reason: ruling.reason,
                    sentence: words::sentence(analysis, &variant.key, ruling, pending),
                }
            })
            .collect();
        let best = strongest(&analysis.metrics, &variants);
        let chosen = best.and_then(|index| variants.get(index));
        let (verdict, reason, headline) = match chosen {
            Some(chosen) => (chosen.verdict, chosen.reason, chosen.sentence.clone()),
            None => {
                let ruling = decide(&Facts {
                    still_counting,
                    ..Facts::default()
                });
                let headline = match still_counting {
                    true => words::still_counting(pending),
                    false => words::nothing(),
                };
                (ruling.verdict, ruling.reason, headline)
            }
        };
        // The impact of an effect that cannot be trusted would mislead.
        let trusted =
            chosen.filter(|chosen| chosen.verdict != Verdict::DoNotTrust && !still_counting);
        let impact = trusted.and_then(|chosen| {
            let metric = deciding(&analysis.metrics).into_iter().next()?;
            Some(Impact::of(
                inputs.experiment,
                inputs.aggregates,
                metric,
                &chosen.variant,
            ))
        });
        Self {
            verdict,
            reason,
            headline,
            notes: words::notes(analysis),
            variant: chosen.map(|chosen| chosen.variant.clone()),
            days_left: days_left(inputs, &analysis.metrics, verdict).filter(|_| !still_counting),
            impact,
            variants,
        }
    }
}

/// The variant that the verdict of the experiment is about. Variants are ranked by their verdicts: do not trust, ship,
/// keep running, stop; variants with equal verdicts by their lift; the first of equals.
fn strongest(metrics: &[MetricReport], variants: &[VariantDecision]) -> Option<usize> {
    let rank = |decision: &VariantDecision| match decision.verdict {
        Verdict::DoNotTrust => 3,
        Verdict::Ship => 2,
        Verdict::KeepRunning => 1,
        Verdict::Stop => 0,
    };
    let lift = |decision: &VariantDecision| {
        let metric = deciding(metrics).into_iter().next()?;
        let comparison = metric
            .comparisons
            .iter()
            .find(|comparison| comparison.variant == decision.variant)?;
        let relative = comparison.decisive.as_ref()?.relative?;
        Some(relative.estimate * metric.metric.direction.sign())
    };
    let strength = |decision: &VariantDecision| {
        let open = decision.verdict == Verdict::KeepRunning
            && matches!(
                decision.reason,
                Reason::NotEnoughData | Reason::NotMeasurable
            );
        (
            rank(decision),
            !open,
            lift(decision).unwrap_or(f64::NEG_INFINITY),
        )
    };
    variants
        .iter()
        .enumerate()
        .max_by(|(i, a), (j, b)| {
            let (a, b) = (strength(a), strength(b));
            a.0.cmp(&b.0)
                .then(a.1.cmp(&b.1))
                .then(a.2.total_cmp(&b.2))
                // The first of equals.
                .then(j.cmp(i))
        })
        .map(|(index, _)| index)
}

/// Whole days until every metric with a plan has the planned power, at the current traffic.
fn days_left(
    inputs: &AnalysisInputs<'_>,
    metrics: &[MetricReport],
    verdict: Verdict,
) -> Option<u64> {
    let experiment = inputs.experiment;
    if verdict != Verdict::KeepRunning {
        return None;
    }
    let missing = metrics
        .iter()
        .flat_map(|metric| &metric.comparisons)
        .filter(|comparison| comparison.finding != Finding::NotEnoughData)
        .filter_map(|comparison| {
            let missing = comparison.power_to_date.as_ref()?.additional_users_needed?;
            let share = pair_share(experiment, &comparison.variant, &comparison.baseline)?;
            #[expect(clippy::cast_precision_loss, reason = "a count of users")]
            let missing = missing as f64 / share;
            Some(missing)
        })
        .fold(None, |most: Option<f64>, missing| {
            Some(most.map_or(missing, |most| most.max(missing)))
        })?;
    let per_day = impact::users_per_day(experiment, inputs.aggregates)?;
    stats::Remaining {
        growth: 0.0,
        units: missing,
    }
    .days(per_day)
    .ok()
}

/// The share of the experiment's users in these two variants, 0 to 1.
fn pair_share(experiment: &Experiment, one: &VariantKey, other: &VariantKey) -> Option<f64> {
    let percents = experiment.allocation.variants.percents();
    let total: f64 = percents.iter().sum();
    let percent = |key| {
        let index = experiment.allocation.variants.position(key)?;
        percents.get(index).copied()
    };
    let share = (percent(one)? + percent(other)?) / total;
    (share > 0.0).then_some(share)
}
