//! Whether the numbers can be trusted, and how new they are.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct VariantUsers {
    pub(crate) key: String,
    pub(crate) users: u64,
    #[serde(default)]
    pub(crate) robots: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) sample_ratio: SampleRatio,
    #[serde(default)]
    pub(crate) variants_without_users: Vec<String>,
    #[serde(default)]
    pub(crate) shares_changed: bool,
    #[serde(default)]
    pub(crate) bias_before: Vec<Bias>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bias {
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
    pub(crate) watched: Option<WatchedSplit>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WatchedSplit {
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
    pub(crate) lag_seconds: Option<i64>,
    #[serde(default)]
    pub(crate) pending_events: Option<u64>,
}

/// Where the events of a type went.
#[derive(Debug, Deserialize)]
pub(crate) struct Fates {
    #[serde(default)]
    pub(crate) counted: u64,
    #[serde(default)]
    pub(crate) after_end: u64,
    #[serde(default)]
    pub(crate) outside_window: u64,
    #[serde(default)]
    pub(crate) other_users: u64,
}
