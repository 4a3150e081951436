//! Data-quality checks, freshness and event accounting.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct VariantUsers {
    pub(crate) key: String,
    pub(crate) users: u64,
    #[serde(default)]
    pub(crate) outlier_users: u64,
    #[serde(default)]
    pub(crate) excluded_users: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DataQuality {
    pub(crate) sample_ratio: SampleRatio,
    #[serde(default)]
    pub(crate) variants_without_users: Vec<String>,
    #[serde(default)]
    pub(crate) weights_changed: bool,
    #[serde(default)]
    pub(crate) pre_exposure_imbalance: Vec<PreExposureImbalance>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PreExposureImbalance {
    pub(crate) metric: String,
    pub(crate) variant: String,
    pub(crate) p_value: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SampleRatio {
    pub(crate) verdict: String,
    pub(crate) observed: Vec<u64>,
    pub(crate) expected: Vec<f64>,
    #[serde(default)]
    pub(crate) p_value: Option<f64>,
    pub(crate) threshold: f64,
    #[serde(default)]
    pub(crate) sequential_test: Option<SequentialSampleRatio>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SequentialSampleRatio {
    pub(crate) p_value: f64,
    pub(crate) threshold: f64,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Freshness {
    #[serde(default)]
    pub(crate) first_assignment_at: Option<String>,
    #[serde(default)]
    pub(crate) last_assignment_at: Option<String>,
    #[serde(default)]
    pub(crate) last_event_at: Option<String>,
    #[serde(default)]
    pub(crate) seconds_since_last_event: Option<i64>,
    #[serde(default)]
    pub(crate) pending_records: Option<u64>,
    #[serde(default)]
    pub(crate) quarantined_users: u64,
}

/// Event accounting of one event type: the number of events by disposition.
#[derive(Debug, Deserialize)]
pub(crate) struct EventCounts {
    #[serde(default)]
    pub(crate) counted: u64,
    #[serde(default)]
    pub(crate) excluded_by_end: u64,
    #[serde(default)]
    pub(crate) outside_window: u64,
    #[serde(default)]
    pub(crate) other_users: u64,
    #[serde(default)]
    pub(crate) excluded_users: u64,
}
