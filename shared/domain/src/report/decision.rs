//! What to do, and why: facts first, then rules, then words.

mod facts;
mod impact;
mod rules;
mod words;

pub use facts::{Facts, PrimaryState, Readiness};
pub use impact::Impact;
pub use rules::{Reason, Ruling, Verdict, decide};

use super::Report;
use super::comparison::Finding;
use super::metrics::{Material, MetricReport};
use crate::experiment::Experiment;
use crate::ids::VariantKey;
use crate::metric::MetricRole;
use serde::Serialize;

/// What to do.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// In one word.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// In one sentence.
    pub headline: String,
    /// What else is worth knowing, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The variant that the verdict is about: the one to ship, or the only one there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
    /// Each variant by itself.
    pub variants: Vec<VariantDecision>,
    /// Whole days until the experiment can find what it was planned to find, at the traffic of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<u64>,
    /// What shipping that variant would bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
}

/// What to do about one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantDecision {
    /// Which one.
    pub variant: VariantKey,
    /// In one word.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// In one sentence.
    pub sentence: String,
}

/// The metrics that decide: those declared primary, else the first one.
pub(super) fn deciding(metrics: &[MetricReport]) -> Vec<&MetricReport> {
    let primary: Vec<_> = metrics
        .iter()
        .filter(|report| report.metric.role == MetricRole::Primary)
        .collect();
    if primary.is_empty() {
        metrics.iter().take(1).collect()
    } else {
        primary
    }
}

/// The lift of a comparison in words.
pub(super) fn in_words(report: &Report, comparison: &super::Comparison) -> String {
    let lift = comparison
        .decisive
        .as_ref()
        .and_then(|decisive| decisive.relative);
    let level = report.analysis_settings.level_percent();
    lift.map_or_else(
        || "no estimate".to_owned(),
        |lift| words::range(&lift, level),
    )
}

impl Decision {
    /// Before anything is known.
    pub(super) fn empty() -> Self {
        let ruling = decide(&Facts::default());
        Self {
            verdict: ruling.verdict,
            reason: ruling.reason,
            headline: words::nothing(),
            notes: Vec::new(),
            variant: None,
            variants: Vec::new(),
            days_left: None,
            impact: None,
        }
    }

    pub(super) fn new(experiment: &Experiment, material: &Material<'_>, report: &Report) -> Self {
        let variants: Vec<VariantDecision> = material
            .others()
            .filter_map(|index| experiment.variants.as_slice().get(index))
            .map(|variant| {
                let facts = Facts::of(experiment, report, &variant.key);
                let ruling = decide(&facts);
                VariantDecision {
                    variant: variant.key.clone(),
                    verdict: ruling.verdict,
                    reason: ruling.reason,
                    sentence: words::sentence(report, &variant.key, ruling),
                }
            })
            .collect();
        let best = strongest(report, &variants);
        let chosen = best.and_then(|index| variants.get(index));
        let (verdict, reason, headline) = match chosen {
            Some(chosen) => (chosen.verdict, chosen.reason, chosen.sentence.clone()),
            None => {
                let ruling = decide(&Facts::default());
                (ruling.verdict, ruling.reason, words::nothing())
            }
        };
        // What an untrusted effect would bring is worse than not to know it.
        let trusted = chosen.filter(|chosen| chosen.verdict != Verdict::DoNotTrust);
        let impact = trusted.and_then(|chosen| {
            let metric = deciding(&report.metrics).into_iter().next()?;
            Some(Impact::of(
                experiment,
                material.aggregates,
                metric,
                &chosen.variant,
            ))
        });
        Self {
            verdict,
            reason,
            headline,
            notes: words::notes(report),
            variant: chosen.map(|chosen| chosen.variant.clone()),
            days_left: days_left(experiment, material, report, verdict),
            impact,
            variants,
        }
    }
}

/// The variant that the verdict of the whole is about: one to ship, of several the one with the larger lift; else one
/// that is still open; else the first.
fn strongest(report: &Report, variants: &[VariantDecision]) -> Option<usize> {
    let rank = |decision: &VariantDecision| match decision.verdict {
        Verdict::DoNotTrust => 3,
        Verdict::Ship => 2,
        Verdict::KeepRunning => 1,
        Verdict::Stop => 0,
    };
    let lift = |decision: &VariantDecision| {
        let metric = deciding(&report.metrics).into_iter().next()?;
        let comparison = metric
            .comparisons
            .iter()
            .find(|comparison| comparison.variant == decision.variant)?;
        let relative = comparison.decisive.as_ref()?.relative?;
        Some(relative.estimate * metric.metric.direction.sign())
    };
    let strength = |decision: &VariantDecision| {
        let open =
            decision.verdict == Verdict::KeepRunning && decision.reason == Reason::NotEnoughData;
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

fn days_left(
    experiment: &Experiment,
    material: &Material<'_>,
    report: &Report,
    verdict: Verdict,
) -> Option<u64> {
    if verdict != Verdict::KeepRunning {
        return None;
    }
    let power_to_date = report.metrics.iter().flat_map(|metric| &metric.comparisons);
    let missing = power_to_date
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
    let per_day = impact::users_per_day(experiment, material.aggregates)?;
    stats::Remaining {
        growth: 0.0,
        units: missing,
    }
    .days(per_day)
    .ok()
}

/// The part of the experiment's users who are in one of two variants.
fn pair_share(experiment: &Experiment, one: &VariantKey, other: &VariantKey) -> Option<f64> {
    let percents = experiment.variants.percents();
    let total: f64 = percents.iter().sum();
    let percent = |key| {
        let index = experiment.variants.position(key)?;
        percents.get(index).copied()
    };
    let share = (percent(one)? + percent(other)?) / total;
    (share > 0.0).then_some(share)
}
