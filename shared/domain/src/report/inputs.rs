//! Everything that an analysis is computed from.

use super::arm::Arm;
use super::request::{AnalysisRequest, AnalysisSettings};
use crate::aggregates::{AggregateCell, ExperimentAggregates};
use crate::experiment::Experiment;
use crate::metric::Metric;
use crate::sums::Overflow;

/// What an analysis is computed from: the definition, the aggregates, the request, and what follows from them directly.
pub(super) struct AnalysisInputs<'t> {
    pub(super) experiment: &'t Experiment,
    pub(super) aggregates: &'t ExperimentAggregates,
    pub(super) request: &'t AnalysisRequest,
    pub(super) settings: AnalysisSettings,
    /// Index of the variant that the others are compared with.
    pub(super) baseline: usize,
    /// The sums of each variant over all users and days.
    pub(super) cumulative: Vec<AggregateCell>,
}

impl<'t> AnalysisInputs<'t> {
    /// The inputs of a request. A baseline that is no variant falls back to the control; the edge refuses it.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub(super) fn new(
        experiment: &'t Experiment,
        aggregates: &'t ExperimentAggregates,
        request: &'t AnalysisRequest,
    ) -> Result<Self, Overflow> {
        let cumulative: Result<Vec<AggregateCell>, Overflow> = aggregates
            .variants
            .iter()
            .map(|variant| variant.total())
            .collect();
        let baseline = request
            .baseline
            .as_ref()
            .and_then(|key| experiment.allocation.variants.position(key));
        Ok(Self {
            experiment,
            aggregates,
            request,
            settings: AnalysisSettings::new(experiment, request),
            baseline: baseline.unwrap_or(0),
            cumulative: cumulative?,
        })
    }

    /// The arms of a metric. `cell` gives the sums of a variant, by its index.
    pub(super) fn arms<'c>(
        &self,
        metric: &Metric,
        cell: impl Fn(usize) -> Option<&'c AggregateCell>,
    ) -> Vec<Arm<'t>> {
        let percents = self.experiment.allocation.variants.percents();
        let total: f64 = percents.iter().sum();
        let variants = self
            .experiment
            .allocation
            .variants
            .as_slice()
            .iter()
            .zip(percents);
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
        (0..self.experiment.allocation.variants.as_slice().len())
            .filter(move |index| *index != baseline)
    }
}
