//! What the data say: users, metrics and data quality, before anything is decided.

use super::data_quality::DataQuality;
use super::header::VariantUsers;
use super::inputs::AnalysisInputs;
use super::metrics::{MetricReport, MetricReports, metric_reports};
use super::request::AnalysisSettings;
use crate::sums::Overflow;

/// The results that a decision is made from.
pub(super) struct Analysis {
    pub(super) settings: AnalysisSettings,
    pub(super) variants: Vec<VariantUsers>,
    pub(super) metrics: Vec<MetricReport>,
    pub(super) data_quality: DataQuality,
    /// Event types whose metrics are not shown. Only an experiment without declared metrics has such types.
    pub(super) event_types_left_out: usize,
    /// Metrics without results by dimension, because the answer has no room for them.
    pub(super) metrics_not_broken_down: usize,
}

impl Analysis {
    /// The results of these inputs.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub(super) fn new(inputs: &AnalysisInputs<'_>) -> Result<Self, Overflow> {
        let MetricReports {
            reports: metrics,
            event_types_left_out,
            metrics_not_broken_down,
        } = metric_reports(inputs)?;
        Ok(Self {
            settings: inputs.settings.clone(),
            variants: VariantUsers::all(inputs.experiment, inputs.aggregates),
            data_quality: DataQuality::check(inputs, &metrics),
            metrics,
            event_types_left_out,
            metrics_not_broken_down,
        })
    }
}
