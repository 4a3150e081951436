//! What the data say: users, metrics and data quality, before anything is decided.

use super::data_quality::DataQuality;
use super::header::VariantUsers;
use super::inputs::AnalysisInputs;
use super::metrics::{MetricReport, metric_reports};
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
}

impl Analysis {
    /// The results of these inputs.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub(super) fn new(inputs: &AnalysisInputs<'_>) -> Result<Self, Overflow> {
        let (metrics, event_types_left_out) = metric_reports(inputs)?;
        Ok(Self {
            settings: inputs.settings.clone(),
            variants: VariantUsers::all(inputs.experiment, inputs.aggregates),
            data_quality: DataQuality::check(inputs.experiment, inputs.aggregates, &metrics),
            metrics,
            event_types_left_out,
        })
    }
}
