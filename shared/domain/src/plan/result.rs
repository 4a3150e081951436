//! The answer to a plan_request: its parts, and what they rest on.

use super::{BaselineSource, Plan, PlannedMetric};
use crate::allocation::Variant;
use crate::ids::VariantKey;
use serde::Serialize;
use stats::{Missing, MissingReason};

/// What an experiment takes to find what it is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct PlanResult {
    /// All of it in words.
    pub sentence: String,
    /// The earlier experiment that the metric was read from, unless its numbers were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineSource>,
    /// For one look, at the end.
    pub fixed: Size,
    /// For results that are sequential all the time.
    pub sequential: Size,
    /// What would be found after so many weeks; empty unless the traffic is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectable: Vec<Detectable>,
    /// What an experiment keeps of it, sized for results that are sequential; missing where that size is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// What the numbers rest on.
    pub settings: PlanSettings,
}

/// What one way of looking takes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Size {
    /// Users of all variants together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Users of each variant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantSize>,
    /// Days until they have come, if the traffic is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// How likely changes of other sizes are found with so many users, the weakest comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub power: Vec<PowerAt>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// The users of one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantSize {
    /// Which variant.
    pub key: VariantKey,
    /// How many.
    pub users: u64,
}

/// The power for one size of change.
#[derive(Debug, Clone, Serialize)]
pub struct PowerAt {
    /// The change, as a part of the control's mean.
    pub lift: f64,
    /// Probability of finding it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

/// What would be found after some weeks, planned for so long.
#[derive(Debug, Clone, Serialize)]
pub struct Detectable {
    /// How many weeks.
    pub weeks: u32,
    /// Users of all variants by then.
    pub users: u64,
    /// The smallest lift found by one look at their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_lift: Option<f64>,
    /// The smallest lift found by then if results are sequential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential_lift: Option<f64>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// What the numbers rest on.
#[derive(Debug, Clone, Serialize)]
pub struct PlanSettings {
    /// The metric as the control is expected to have it.
    pub metric: PlannedMetric,
    /// The smallest change worth finding.
    pub minimum_detectable_effect: f64,
    /// How the users are shared out.
    pub variants: Vec<Variant>,
    /// Share of the users that take part, in percent.
    pub traffic_percent: f64,
    /// Users who data range the experiment on a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_per_day: Option<u64>,
    /// Error level of all comparisons together.
    pub alpha: f64,
    /// Probability of finding the change, in each comparison.
    pub power: f64,
    /// Treatments, each compared with the control.
    pub comparisons: u32,
    /// How alpha is shared among them.
    pub correction: &'static str,
    /// What is left of alpha for each of them.
    pub alpha_per_comparison: f64,
    /// The test of one look.
    pub fixed: &'static str,
    /// The test of results that are sequential.
    pub sequential: &'static str,
}
