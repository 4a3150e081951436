//! The printed parts of the API's responses. Other fields are ignored, so a newer server can add fields.

mod comparison;
mod data_quality;
mod monitoring;

pub(super) use comparison::{Comparison, DimensionComparison, DimensionReport, Interval, Series};
pub(super) use data_quality::{DataQuality, EventCounts, Freshness, SampleRatio, VariantUsers};
pub(super) use monitoring::{Alarm, Monitoring};

use serde::Deserialize;
use std::collections::BTreeMap;

/// The response of `view=analysis`.
#[derive(Debug, Deserialize)]
pub(super) struct Analysis {
    pub(super) experiment: ExperimentHeader,
    pub(super) as_of: String,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(default)]
    pub(super) dimension: Option<BTreeMap<String, String>>,
    pub(super) decision: Decision,
    /// Why the numbers are computed from the raw records instead of the aggregates.
    #[serde(default)]
    pub(super) source_reason: Option<StatedReason>,
    pub(super) freshness: Freshness,
    pub(super) variants: Vec<VariantUsers>,
    pub(super) data_quality: DataQuality,
    pub(super) metrics: Vec<Metric>,
    #[serde(default)]
    pub(super) event_accounting: BTreeMap<String, EventCounts>,
    pub(super) analysis_settings: AnalysisSettings,
    pub(super) digest: String,
}

/// The message of a reason.
#[derive(Debug, Deserialize)]
pub(super) struct StatedReason {
    pub(super) message: String,
}

/// The response of `view=summary`.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    pub(super) experiment: ExperimentHeader,
    pub(super) as_of: String,
    pub(super) users: u64,
    #[serde(default)]
    pub(super) freshness: Freshness,
    #[serde(flatten)]
    pub(super) decision: Decision,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentHeader {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) end: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    pub(super) verdict: String,
    pub(super) headline: String,
    #[serde(default)]
    pub(super) notes: Vec<String>,
    #[serde(default)]
    pub(super) variant: Option<String>,
    #[serde(default)]
    pub(super) variants: Vec<VariantDecision>,
    #[serde(default)]
    pub(super) days_left: Option<u64>,
    #[serde(default)]
    pub(super) impact: Option<Impact>,
}

impl Decision {
    /// Whether the data quality is good enough to use the results.
    pub(super) fn trusted(&self) -> bool {
        self.verdict != "do_not_trust"
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct VariantDecision {
    pub(super) variant: String,
    pub(super) verdict: String,
    pub(super) sentence: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Impact {
    pub(super) metric: String,
    pub(super) unit: String,
    #[serde(default)]
    pub(super) users_per_month: Option<f64>,
    #[serde(default)]
    pub(super) per_month: Option<Interval>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) key: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) measure: Option<String>,
    #[serde(default)]
    pub(super) denominator: Option<Denominator>,
    #[serde(default)]
    pub(super) quantile: Option<f64>,
    pub(super) role: String,
    pub(super) direction: String,
    #[serde(default)]
    pub(super) margin: Option<f64>,
    pub(super) variants: Vec<VariantValue>,
    pub(super) comparisons: Vec<Comparison>,
    #[serde(default)]
    pub(super) dimensions: Vec<DimensionReport>,
    #[serde(default)]
    pub(super) series: Option<Series>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Denominator {
    pub(super) event_type: String,
    pub(super) measure: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct VariantValue {
    pub(super) key: String,
    pub(super) users: u64,
    pub(super) converted: u64,
    #[serde(default)]
    pub(super) mean: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AnalysisSettings {
    pub(super) deciding_method: String,
    pub(super) alpha: f64,
    pub(super) correction: String,
    #[serde(default)]
    pub(super) cuped: bool,
    #[serde(default)]
    pub(super) planned_users: Option<u64>,
    #[serde(default)]
    pub(super) planned_end: Option<String>,
    pub(super) conversion: String,
    pub(super) mean: String,
    pub(super) relative: String,
}
