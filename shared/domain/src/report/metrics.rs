//! Each metric: its value in every variant, and every variant against the baseline.

use super::arm::{Arm, VariantValue};
use super::comparison::{Case, Comparison};
use super::dimensions::{self, DimensionReport, Parts};
use super::extras::Cut;
use super::request::{AnalysisRequest, AnalysisSettings, Correction};
use super::series::{self, Series, TrendReport};
use crate::aggregates::{AggregateCell, ExperimentAggregates};
use crate::experiment::Experiment;
use crate::metric::{Metric, MetricRole};
use crate::sums::Overflow;
use serde::Serialize;
use stats::{PValue, benjamini_hochberg, holm};

/// One metric: the value of each variant, and each variant against the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct MetricReport {
    /// Its definition.
    #[serde(flatten)]
    pub metric: Metric,
    /// Each variant.
    pub variants: Vec<VariantValue>,
    /// Each variant but the baseline, against the baseline.
    pub comparisons: Vec<Comparison>,
    /// The same for parts of the users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionReport>,
    /// Whether the effect fades from one day's users to the next day's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub novelty: Vec<TrendReport>,
    /// The cumulative result at the end of each day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// What all metrics are computed from.
pub(super) struct Material<'t> {
    pub(super) experiment: &'t Experiment,
    pub(super) aggregates: &'t ExperimentAggregates,
    pub(super) settings: &'t AnalysisSettings,
    pub(super) baseline: usize,
    /// The state of each variant now.
    pub(super) now: Vec<AggregateCell>,
}

impl<'t> Material<'t> {
    pub(super) fn new(
        experiment: &'t Experiment,
        aggregates: &'t ExperimentAggregates,
        settings: &'t AnalysisSettings,
        baseline: usize,
    ) -> Result<Self, Overflow> {
        let now: Result<Vec<AggregateCell>, Overflow> = aggregates
            .variants
            .iter()
            .map(|variant| variant.total())
            .collect();
        Ok(Self {
            experiment,
            aggregates,
            settings,
            baseline,
            now: now?,
        })
    }

    /// A metric's arms; `cell` has the users of a variant, by its place, that are looked at.
    pub(super) fn arms<'c>(
        &self,
        metric: &Metric,
        cell: impl Fn(usize) -> Option<&'c AggregateCell>,
    ) -> Vec<Arm<'t>> {
        let percents = self.experiment.variants.percents();
        let total: f64 = percents.iter().sum();
        let variants = self.experiment.variants.as_slice().iter().zip(percents);
        variants
            .enumerate()
            .map(|(index, (variant, percent))| {
                let cell = cell(index);
                Arm::new(
                    metric,
                    &variant.key,
                    percent / total,
                    cell.map_or(0, |cell| cell.users),
                    cell.and_then(|cell| cell.metrics.get(&metric.key)),
                    self.settings.alpha,
                )
            })
            .collect()
    }

    /// The variants that are compared with the baseline.
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let baseline = self.baseline;
        (0..self.experiment.variants.as_slice().len()).filter(move |index| *index != baseline)
    }
}

pub(super) fn reports(
    material: &Material<'_>,
    request: &AnalysisRequest,
) -> Result<Vec<MetricReport>, Overflow> {
    let metrics = material.aggregates.metrics(material.experiment);
    let asked =
        |metric: &Metric| request.metrics.is_empty() || request.metrics.contains(&metric.key);
    let metrics: Vec<Metric> = metrics.into_iter().filter(asked).collect();
    let planned = planned_metric(material.experiment, &metrics);
    let parts = dimensions::parts(material.experiment, material.aggregates, &request.breakdown)?;
    let reports: Result<Vec<_>, _> = metrics
        .into_iter()
        .enumerate()
        .map(|(index, metric)| report(material, request, metric, &parts, planned == Some(index)))
        .collect();
    let mut reports = reports?;
    correct(&mut reports, material.settings);
    Ok(reports)
}

/// The metric that the plan is about: the one that it names, else the first primary one.
fn planned_metric(experiment: &Experiment, metrics: &[Metric]) -> Option<usize> {
    let plan = experiment.plan.as_ref()?;
    let named = |metric: &Metric| Some(&metric.key) == plan.metric.as_ref();
    let primary = |metric: &Metric| metric.role == MetricRole::Primary;
    match plan.metric {
        Some(_) => metrics.iter().position(named),
        None => metrics.iter().position(primary),
    }
}

fn report(
    material: &Material<'_>,
    request: &AnalysisRequest,
    metric: Metric,
    parts: &Parts,
    planned: bool,
) -> Result<MetricReport, Overflow> {
    let arms = material.arms(&metric, |index| material.now.get(index));
    let cut = metric.cap_percentile.map(|share| Cut::new(share, &arms));
    let case = Case {
        metric: &metric,
        arms: &arms,
        cut: cut.as_ref(),
        plan: material.experiment.plan.as_ref().filter(|_| planned),
        settings: material.settings,
    };
    let comparisons = material
        .others()
        .filter_map(|variant| case.compare(material.baseline, variant))
        .collect();
    Ok(MetricReport {
        variants: VariantValue::all(&metric, &arms),
        comparisons,
        dimensions: dimensions::reports(material, &metric, parts),
        novelty: series::novelty(material, &metric, request.as_of),
        series: if request.series {
            Some(series::series(material, &metric)?)
        } else {
            None
        },
        metric,
    })
}

/// Corrects the deciding p-values: comparisons of one role are one family, so that curiosity about further metrics
/// does not cost the primary one its power.
fn correct(reports: &mut [MetricReport], settings: &AnalysisSettings) {
    for role in [
        MetricRole::Primary,
        MetricRole::Guardrail,
        MetricRole::Secondary,
    ] {
        let p_values: Vec<Option<PValue>> = family(reports, role)
            .map(|(_, comparison)| {
                let decisive = comparison.decisive.as_ref()?;
                Some(PValue::from_ln(
                    decisive.log10_p_value * std::f64::consts::LN_10,
                ))
            })
            .collect();
        // A guardrail alarm must not grow weaker because there are more guardrails.
        let adjusted = match settings.correction {
            Correction::Holm if role != MetricRole::Guardrail => holm(&p_values),
            Correction::Bh if role != MetricRole::Guardrail => benjamini_hochberg(&p_values),
            _ => p_values,
        };
        for ((direction, comparison), p_value) in family(reports, role).zip(adjusted) {
            if let Some(p_value) = p_value {
                comparison.settle(p_value.value(), settings.alpha.get(), direction);
            }
        }
    }
}

fn family(
    reports: &mut [MetricReport],
    role: MetricRole,
) -> impl Iterator<Item = (crate::metric::Direction, &mut Comparison)> {
    reports
        .iter_mut()
        .filter(move |report| report.metric.role == role)
        .flat_map(|report| {
            let direction = report.metric.direction;
            report
                .comparisons
                .iter_mut()
                .map(move |comparison| (direction, comparison))
        })
}
