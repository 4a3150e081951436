//! The API's answers, as far as they are printed. Fields that a newer server adds are no fault.

mod comparison;
mod data_quality;
mod sequential;

pub(super) use comparison::{Comparison, DimensionValue, Interval, Part, Series};
pub(super) use data_quality::{DataQuality, EventCounts, Freshness, SampleRatio, VariantUsers};
pub(super) use sequential::{Alarm, Sequential};

use serde::Deserialize;
use std::collections::BTreeMap;

/// All of it.
#[derive(Debug, Deserialize)]
pub(super) struct Analysis {
    pub(super) experiment: About,
    pub(super) as_of: String,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(default)]
    pub(super) dimension: Option<BTreeMap<String, String>>,
    pub(super) decision: Decision,
    /// Why the numbers come from the records and not from running sums.
    #[serde(default)]
    pub(super) source_reason: Option<Reason>,
    pub(super) freshness: Freshness,
    pub(super) variants: Vec<VariantUsers>,
    pub(super) data_quality: DataQuality,
    pub(super) metrics: Vec<Metric>,
    #[serde(default)]
    pub(super) event_accounting: BTreeMap<String, EventCounts>,
    pub(super) analysis_settings: AnalysisSettings,
    pub(super) digest: String,
}

/// A sentence that goes with a code.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) message: String,
}

/// What to do.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    pub(super) experiment: About,
    pub(super) as_of: String,
    pub(super) users: u64,
    #[serde(default)]
    pub(super) freshness: Freshness,
    #[serde(flatten)]
    pub(super) decision: Decision,
}

#[derive(Debug, Deserialize)]
pub(super) struct About {
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
    /// Whether the numbers mean what they seem to.
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
    pub(super) variants: Vec<Value>,
    pub(super) comparisons: Vec<Comparison>,
    #[serde(default)]
    pub(super) dimensions: Vec<DimensionValue>,
    #[serde(default)]
    pub(super) series: Option<Series>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Denominator {
    pub(super) event_type: String,
    pub(super) measure: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Value {
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
