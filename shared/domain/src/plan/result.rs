//! The result of a plan request.

use super::{BaselineSource, Plan, PlannedMetric};
use crate::allocation::Variant;
use crate::ids::VariantKey;
use serde::Serialize;
use stats::{Missing, MissingReason};

/// The users, days and power that an experiment needs.
#[derive(Debug, Clone, Serialize)]
pub struct PlanResult {
    /// The result in one sentence.
    pub sentence: String,
    /// The earlier experiment that the baseline was read from, if it was not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineSource>,
    /// Size for the fixed method: one test at the planned end.
    pub fixed: Size,
    /// Size for the sequential method: valid however often results are read.
    pub sequential: Size,
    /// The lifts that are detectable after some weeks; empty if the traffic is unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectable: Vec<Detectable>,
    /// The plan to store with an experiment, sized for the sequential method; missing if that size is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The assumptions.
    pub settings: PlanSettings,
}

/// The size of an experiment for one method.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Size {
    /// Users of all variants together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Users of each variant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantSize>,
    /// Days until these users are assigned, if the traffic is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// The power for other lifts at this size, of the weakest comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub power: Vec<PowerAt>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// The users of one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantSize {
    /// The variant.
    pub key: VariantKey,
    /// Its number of users.
    pub users: u64,
}

/// The power for one lift.
#[derive(Debug, Clone, Serialize)]
pub struct PowerAt {
    /// The lift.
    pub lift: f64,
    /// Probability of detecting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

/// The lift that is detectable after some weeks.
#[derive(Debug, Clone, Serialize)]
pub struct Detectable {
    /// The number of weeks.
    pub weeks: u32,
    /// Users of all variants by then.
    pub users: u64,
    /// The smallest lift that the fixed method detects then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_lift: Option<f64>,
    /// The smallest lift that the sequential method detects by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential_lift: Option<f64>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// The assumptions of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanSettings {
    /// The metric as it is expected in the control.
    pub metric: PlannedMetric,
    /// The planned lift.
    pub minimum_detectable_effect: f64,
    /// The variants with their weights.
    pub variants: Vec<Variant>,
    /// Percentage of users that take part.
    pub traffic_percent: f64,
    /// Users per day before the traffic percentage is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_per_day: Option<u64>,
    /// Error level of all comparisons together.
    pub alpha: f64,
    /// Probability of detecting the effect, in each comparison.
    pub power: f64,
    /// Treatments, each compared with the control.
    pub comparisons: u32,
    /// How alpha is divided among them.
    pub correction: &'static str,
    /// Alpha of each comparison.
    pub alpha_per_comparison: f64,
    /// The fixed test.
    pub fixed: &'static str,
    /// The sequential test.
    pub sequential: &'static str,
}
