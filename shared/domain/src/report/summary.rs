//! The summary view: the decision and the deciding numbers.

use super::Report;
use super::comparison::Finding;
use super::data_quality::SampleRatioVerdict;
use super::decision::{Impact, Reason, VariantDecision, Verdict};
use super::effects::Bounds;
use super::header::{About, Freshness};
use super::metrics::MetricReport;
use crate::ids::{MetricKey, VariantKey};
use crate::metric::{Direction, MetricRole};
use crate::time::Timestamp;
use serde::Serialize;

/// The summary view of the results.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The experiment.
    pub experiment: About,
    /// The instant that the view takes as the present.
    pub as_of: Timestamp,
    /// The name of the source: `aggregates` or `raw`.
    pub source: &'static str,
    /// How recent the data is.
    pub freshness: Freshness,
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The verdict and its reason in one sentence.
    pub headline: String,
    /// Further observations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The variant that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
    /// The decision about each variant, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantDecision>,
    /// Whole days until the experiment has its planned power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<u64>,
    /// The expected effect of shipping the variant to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
    /// The result of the sample ratio check.
    pub sample_ratio: SampleRatioVerdict,
    /// Users of all variants.
    pub users: u64,
    /// The deciding metrics and the guardrails.
    pub metrics: Vec<MetricSummary>,
}

/// A metric in short.
#[derive(Debug, Clone, Serialize)]
pub struct MetricSummary {
    /// Its key.
    pub key: MetricKey,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of the metric.
    pub kind: &'static str,
    /// The role.
    pub role: MetricRole,
    /// The direction that is better.
    pub direction: Direction,
    /// The variants.
    pub variants: Vec<VariantSummary>,
}

/// A variant in short.
#[derive(Debug, Clone, Serialize)]
pub struct VariantSummary {
    /// The variant.
    pub key: VariantKey,
    /// Its users.
    pub users: u64,
    /// The metric's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The finding against the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The absolute effect by the deciding method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Bounds>,
    /// The lift by the deciding method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<Bounds>,
    /// The corrected p-value of the deciding method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

impl Summary {
    /// The summary of an analysis.
    pub fn new(report: &Report) -> Self {
        let decision = &report.decision;
        let several = decision.variants.len() > 1;
        Self {
            experiment: report.experiment.clone(),
            as_of: report.as_of,
            source: report.source,
            freshness: report.freshness.clone(),
            verdict: decision.verdict,
            reason: decision.reason,
            headline: decision.headline.clone(),
            notes: decision.notes.clone(),
            variant: decision.variant.clone(),
            variants: if several {
                decision.variants.clone()
            } else {
                Vec::new()
            },
            days_left: decision.days_left,
            impact: decision.impact.clone(),
            sample_ratio: report.data_quality.sample_ratio.verdict,
            users: report.variants.iter().map(|variant| variant.users).sum(),
            metrics: report
                .deciding()
                .into_iter()
                .chain(report.guardrails())
                .map(metric_summary)
                .collect(),
        }
    }
}

fn metric_summary(report: &MetricReport) -> MetricSummary {
    let variants = report.variants.iter().map(|variant| {
        let mut comparisons = report.comparisons.iter();
        let comparison = comparisons.find(|comparison| comparison.variant == variant.key);
        let decisive = comparison.and_then(|comparison| comparison.decisive.as_ref());
        VariantSummary {
            key: variant.key.clone(),
            users: variant.users,
            mean: variant.mean,
            finding: comparison.map(|comparison| comparison.finding),
            difference: decisive.and_then(|decisive| decisive.absolute),
            lift: decisive.and_then(|decisive| decisive.relative),
            p_value: decisive.map(|decisive| decisive.adjusted_p_value),
        }
    });
    MetricSummary {
        key: report.metric.key.clone(),
        name: report.metric.name.clone(),
        kind: report.metric.kind.name(),
        role: report.metric.role,
        direction: report.metric.direction,
        variants: variants.collect(),
    }
}
