//! Each metric: its value in every variant, and every variant against the baseline.

use super::arm::VariantValue;
use super::comparison::Comparison;
use super::dimensions::{self, Breakdowns, DimensionReport};
use super::estimate::{ComparisonInputs, Estimate};
use super::extras::PercentileCap;
use super::inputs::AnalysisInputs;
use super::request::Correction;
use super::series::{self, Series, TrendReport};
use super::size;
use crate::experiment::Experiment;
use crate::metric::{Metric, MetricRole};
use crate::sums::Overflow;
use serde::Serialize;
use stats::{PValue, benjamini_hochberg, holm};

/// One metric: the value of each variant, and each variant against the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct MetricReport {
    /// The definition of the metric.
    #[serde(flatten)]
    pub metric: Metric,
    /// The value in each variant.
    pub variants: Vec<VariantValue>,
    /// Each variant but the baseline, against the baseline.
    pub comparisons: Vec<Comparison>,
    /// The comparisons by dimension.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionReport>,
    /// The novelty effect: whether the effect decays from one day's new users to the next day's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub novelty: Vec<TrendReport>,
    /// The cumulative result at the end of each day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// The results of the requested metrics, and what is left out of them.
pub(super) struct MetricReports {
    pub(super) reports: Vec<MetricReport>,
    /// Event types whose metrics are left out because the request names none.
    pub(super) event_types_left_out: usize,
    /// Metrics without results by dimension, because the answer has no room for them.
    pub(super) metrics_not_broken_down: usize,
}

/// The results of the requested metrics.
///
/// # Errors
/// If a sum grows beyond 38 digits.
pub(super) fn metric_reports(inputs: &AnalysisInputs<'_>) -> Result<MetricReports, Overflow> {
    let request = inputs.request;
    let (metrics, left_out) = if request.metrics.is_empty() {
        inputs.aggregates.metrics_shown(inputs.experiment)
    } else {
        let mut metrics = inputs.aggregates.metrics(inputs.experiment);
        metrics.retain(|metric| request.metrics.contains(&metric.key));
        (metrics, 0)
    };
    let planned = planned_metric(inputs.experiment, &metrics);
    let breakdowns =
        dimensions::breakdowns(inputs.experiment, inputs.aggregates, &request.breakdown)?;
    let broken_down = size::broken_down(inputs, &metrics, &breakdowns);
    let days = size::series_days(inputs, metrics.len());
    let measured: Result<Vec<MeasuredMetric>, Overflow> = metrics
        .into_iter()
        .enumerate()
        .map(|(index, metric)| MeasuredMetric::new(inputs, metric, planned == Some(index), days))
        .collect();
    let measured = measured?;
    let adjusted = corrected(&measured, inputs.settings.correction);
    let no_breakdown = Breakdowns::new();
    let reports = measured.into_iter().zip(adjusted).zip(&broken_down);
    let reports = reports.map(|((measured, adjusted), broken_down)| {
        let breakdowns = if *broken_down {
            &breakdowns
        } else {
            &no_breakdown
        };
        measured.report(adjusted, inputs, breakdowns)
    });
    Ok(MetricReports {
        reports: reports.collect(),
        event_types_left_out: left_out,
        metrics_not_broken_down: broken_down.iter().filter(|one| !**one).count(),
    })
}

/// The deciding metrics: those declared primary, else the first one.
pub(super) fn deciding(metrics: &[MetricReport]) -> Vec<&MetricReport> {
    let is_primary = |report: &&MetricReport| report.metric.role == MetricRole::Primary;
    let primary: Vec<_> = metrics.iter().filter(is_primary).collect();
    if primary.is_empty() {
        metrics.iter().take(1).collect()
    } else {
        primary
    }
}

/// The guardrails.
pub(super) fn guardrails(metrics: &[MetricReport]) -> impl Iterator<Item = &MetricReport> {
    let is_guardrail = |report: &&MetricReport| report.metric.role == MetricRole::Guardrail;
    metrics.iter().filter(is_guardrail)
}

/// The metric that the plan is about: the one that it names, else the first primary one.
fn planned_metric(experiment: &Experiment, metrics: &[Metric]) -> Option<usize> {
    let plan = experiment.analysis.plan.as_ref()?;
    let named = |metric: &Metric| Some(&metric.key) == plan.metric.as_ref();
    let primary = |metric: &Metric| metric.role == MetricRole::Primary;
    match plan.metric {
        Some(_) => metrics.iter().position(named),
        None => metrics.iter().position(primary),
    }
}

/// A metric before the correction for multiple comparisons.
struct MeasuredMetric {
    metric: Metric,
    variants: Vec<VariantValue>,
    estimates: Vec<Estimate>,
    series: Option<Series>,
}

impl MeasuredMetric {
    fn new(
        inputs: &AnalysisInputs<'_>,
        metric: Metric,
        planned: bool,
        series_days: usize,
    ) -> Result<Self, Overflow> {
        let arms = inputs.arms(&metric, |index| inputs.cumulative.get(index));
        let cap = metric
            .cap_percentile
            .map(|percentile| PercentileCap::new(percentile, &arms));
        let comparison = ComparisonInputs {
            metric: &metric,
            arms: &arms,
            cap: cap.as_ref(),
            plan: inputs.experiment.analysis.plan.as_ref().filter(|_| planned),
            only_deciding: false,
            settings: &inputs.settings,
        };
        let estimates = inputs
            .others()
            .filter_map(|variant| comparison.estimate(inputs.baseline, variant))
            .collect();
        let has_series = inputs.request.series && series_days > 0;
        let series = has_series.then(|| series::series(inputs, &metric, series_days));
        Ok(Self {
            variants: VariantValue::all(&metric, &arms),
            estimates,
            series: series.transpose()?,
            metric,
        })
    }

    fn report(
        self,
        adjusted: Vec<Option<PValue>>,
        inputs: &AnalysisInputs<'_>,
        breakdowns: &Breakdowns,
    ) -> MetricReport {
        let direction = self.metric.direction;
        let comparisons = self.estimates.into_iter().zip(adjusted);
        MetricReport {
            variants: self.variants,
            comparisons: comparisons
                .map(|(estimate, p_value)| estimate.compared(p_value, &inputs.settings, direction))
                .collect(),
            dimensions: dimensions::reports(inputs, &self.metric, breakdowns),
            novelty: series::novelty(inputs, &self.metric, inputs.request.as_of),
            series: self.series,
            metric: self.metric,
        }
    }
}

/// The corrected p-values of each metric's estimates. The comparisons of one role are one family, so that further
/// metrics do not cost the primary metrics their power.
fn corrected(metrics: &[MeasuredMetric], correction: Correction) -> Vec<Vec<Option<PValue>>> {
    let mut corrected = vec![Vec::new(); metrics.len()];
    for role in [
        MetricRole::Primary,
        MetricRole::Guardrail,
        MetricRole::Secondary,
    ] {
        let in_role = |metric: &&MeasuredMetric| metric.metric.role == role;
        let p_values: Vec<Option<PValue>> = metrics
            .iter()
            .filter(in_role)
            .flat_map(|metric| metric.estimates.iter().map(Estimate::p_value))
            .collect();
        // The alarm of a guardrail must not grow weaker because there are more guardrails.
        let mut adjusted = match correction {
            Correction::Holm if role != MetricRole::Guardrail => holm(&p_values),
            Correction::Bh if role != MetricRole::Guardrail => benjamini_hochberg(&p_values),
            _ => p_values,
        }
        .into_iter();
        for (metric, corrected) in metrics.iter().zip(&mut corrected) {
            if metric.metric.role == role {
                *corrected = adjusted.by_ref().take(metric.estimates.len()).collect();
            }
        }
    }
    corrected
}
