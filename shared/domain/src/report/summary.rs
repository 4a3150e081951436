//! The report for whoever reads one sentence.

use super::Report;
use super::comparison::Finding;
use super::data_quality::SampleRatioVerdict;
use super::decision::{Impact, Reason, VariantDecision, Verdict};
use super::header::{About, Freshness};
use super::methods::Bounds;
use super::metrics::MetricReport;
use crate::ids::{MetricKey, VariantKey};
use crate::metric::{Direction, MetricRole};
use crate::time::Timestamp;
use serde::Serialize;

/// What to do, why, and what it would bring.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// What it is about.
    pub experiment: About,
    /// What is taken for now.
    pub as_of: Timestamp,
    /// Where the numbers come from.
    pub source: &'static str,
    /// How new they are.
    pub freshness: Freshness,
    /// In one word.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// In one sentence.
    pub headline: String,
    /// What else is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The variant that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
    /// Each variant by itself, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantDecision>,
    /// Whole days until the experiment can find what it was planned to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<u64>,
    /// What shipping the variant would bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
    /// Whether the variants got the users that they should have got.
    pub sample_ratio: SampleRatioVerdict,
    /// Who took part.
    pub users: u64,
    /// The metrics that decide, and the guardrails.
    pub metrics: Vec<MetricSummary>,
}

/// A metric in short.
#[derive(Debug, Clone, Serialize)]
pub struct MetricSummary {
    /// Its key.
    pub key: MetricKey,
    /// For user data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How events become its value.
    pub kind: &'static str,
    /// What it is for.
    pub role: MetricRole,
    /// Which way is better.
    pub direction: Direction,
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
    /// The metric's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// What the deciding method says of it against the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// Difference from the baseline in the metric's unit, by the deciding method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Bounds>,
    /// The same as a part of the baseline's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<Bounds>,
    /// By the deciding method, corrected.
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
