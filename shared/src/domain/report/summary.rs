//! The report for people who read one sentence and one table.

use super::{MetricReport, Report, SampleRatioVerdict};
use crate::domain::ids::{MetricKey, VariantKey};
use crate::domain::metric::{Direction, MetricKind, MetricRole};
use serde::Serialize;

/// The analysis in short.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// What it is about.
    pub experiment: super::About,
    /// When it was computed.
    pub as_of: crate::domain::time::Timestamp,
    /// What the numbers say, in words.
    pub headline: String,
    /// Whether the numbers can be trusted.
    pub sample_ratio: SampleRatioVerdict,
    /// Who took part.
    pub users: u64,
    /// Each metric in short.
    pub metrics: Vec<MetricSummary>,
}

/// A metric in short.
#[derive(Debug, Clone, Serialize)]
pub struct MetricSummary {
    /// Its key.
    pub key: MetricKey,
    /// How events become a user's value.
    pub kind: MetricKind,
    /// What it is for.
    pub role: MetricRole,
    /// Each variant.
    pub variants: Vec<VariantSummary>,
}

/// A variant in short.
#[derive(Debug, Clone, Serialize)]
pub struct VariantSummary {
    /// Which variant.
    pub key: VariantKey,
    /// Its users.
    pub users: u64,
    /// Mean per user, or rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Relative difference from the control, and its 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<[f64; 3]>,
    /// Of the difference from the control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

impl Summary {
    /// The summary of an analysis.
    pub fn new(report: &Report) -> Self {
        Self {
            experiment: report.experiment.clone(),
            as_of: report.as_of,
            headline: report.headline.clone(),
            sample_ratio: report.health.sample_ratio.verdict,
            users: report.variants.iter().map(|variant| variant.users).sum(),
            metrics: report.metrics.iter().map(metric_summary).collect(),
        }
    }
}

fn metric_summary(metric: &MetricReport) -> MetricSummary {
    let variants = metric.variants.iter().map(|variant| {
        let comparison = metric
            .comparisons
            .iter()
            .find(|comparison| comparison.variant == variant.key);
        let lift = comparison.and_then(|comparison| comparison.relative.as_ref());
        VariantSummary {
            key: variant.key.clone(),
            users: variant.users,
            mean: variant.mean,
            lift: lift.map(|lift| [lift.estimate, lift.ci_lower, lift.ci_upper]),
            p_value: comparison
                .and_then(|comparison| comparison.absolute.as_ref())
                .map(|test| test.p_value),
        }
    });
    MetricSummary {
        key: metric.key.clone(),
        kind: metric.kind,
        role: metric.role,
        variants: variants.collect(),
    }
}

/// The metric that decides is the one declared primary, else the first.
pub(super) fn headline(report: &Report) -> String {
    if report.health.sample_ratio.verdict == SampleRatioVerdict::Mismatch {
        return "Do not trust these numbers yet: the variants did not get the users that they should have got."
            .to_owned();
    }
    let primary = report
        .metrics
        .iter()
        .find(|metric| metric.role == MetricRole::Primary);
    let Some(metric) = primary.or_else(|| report.metrics.first()) else {
        return "No event has counted yet.".to_owned();
    };
    let sentences: Vec<String> = metric
        .comparisons
        .iter()
        .map(|comparison| sentence(metric, comparison))
        .collect();
    sentences.join(" ")
}

fn sentence(metric: &MetricReport, comparison: &super::Comparison) -> String {
    let (key, variant) = (&metric.key, &comparison.variant);
    let (Some(test), Some(lift)) = (&comparison.absolute, &comparison.relative) else {
        return format!("`{variant}`: not enough data on `{key}` to say anything.");
    };
    let percent = |part: f64| format!("{:+.1} %", part * 100.0);
    let range = format!(
        "95 % interval {} to {}",
        percent(lift.ci_lower),
        percent(lift.ci_upper)
    );
    if test.p_value >= super::ALPHA {
        return format!(
            "`{variant}` shows no clear difference on `{key}` so far ({}, {range}).",
            percent(lift.estimate)
        );
    }
    let better = (lift.estimate > 0.0) == (metric.direction == Direction::Increase);
    let word = if better { "better" } else { "worse" };
    format!(
        "`{variant}` does {word} on `{key}`: {} ({range}).",
        percent(lift.estimate)
    )
}
