//! Planning: the number of users that an experiment needs, and the plan that is stored with it.
//!
//! A [`PlanRequest`] has one baseline: the metric as it is expected in the control. The caller states it, or it is read
//! from the control of an earlier experiment. All calculations are in [`stats`].

mod answer;
mod baseline;
mod calculation;
mod result;
mod sentence;

pub use baseline::{Baseline, BaselineSource, PlannedKind, PlannedMetric};
pub use result::{Detectable, PlanResult, PlanSettings, PowerAt, Size, VariantSize};

use super::allocation::Variants;
use super::ids::MetricKey;
use super::metric::Metric;
use super::prose::grouped;
use super::{Invalid, decimal, limits};
use serde::{Deserialize, Serialize};

/// The effect that an experiment is planned to detect. It is fixed before the start.
///
/// `users` tunes the confidence sequence of the sequential method; a comparison of two variants is tuned to their share
/// of it. A sequence that is tuned again during a run is no longer valid, so the plan of a started experiment never
/// changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The declared metric of the plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metric: Option<MetricKey>,
    /// The minimum detectable effect, relative to the mean of the control: -0.02 is a fall of 2%. Not 0, above -1.
    pub minimum_detectable_effect: f64,
    /// Two-sided error level of all comparisons with the control together, above 0 and below 0.5.
    pub alpha: f64,
    /// Probability of detecting that effect, above `alpha` and below 1.
    pub power: f64,
    /// Users of all variants together at the planned end, at least 2.
    pub users: u64,
}

/// The default error level.
pub const USUAL_ALPHA: f64 = 0.05;
/// The default power.
pub const USUAL_POWER: f64 = 0.8;

impl Plan {
    /// Checks that the metric of the plan is declared.
    ///
    /// # Errors
    /// Lists the declared metrics.
    pub fn fits(&self, metrics: &[Metric]) -> Result<(), Invalid> {
        let Some(planned) = &self.metric else {
            return Ok(());
        };
        if metrics.iter().any(|metric| metric.key == *planned) {
            return Ok(());
        }
        let keys: Vec<_> = metrics
            .iter()
            .map(|metric| format!("`{}`", metric.key))
            .collect();
        let declared = if keys.is_empty() {
            "none is".to_owned()
        } else {
            format!("the declared metrics are {}", keys.join(", "))
        };
        let detail = format!("`{planned}` is not declared; {declared}.");
        Err(Invalid::new("unknown_metric", detail))
    }
}

/// A request for a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// The metric as it is expected in the control.
    pub metric: PlannedMetric,
    /// The effect to detect and the layout of the experiment.
    pub design: Design,
}

/// The effect to detect and the layout of the experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The minimum detectable effect, relative to the mean of the control. Not 0, above -1.
    pub minimum_detectable_effect: f64,
    /// The variants with their weights, the control first, no weight 0.
    pub variants: Variants,
    /// Percentage of users that take part, above 0.
    pub traffic_percent: f64,
    /// Users per day, before `traffic_percent` is applied.
    pub users_per_day: Option<u64>,
    /// Two-sided error level of all comparisons together.
    pub alpha: f64,
    /// Probability of detecting the effect, in each comparison.
    pub power: f64,
}

impl Design {
    /// Users of all variants per day.
    fn enrolled_per_day(&self) -> Option<f64> {
        self.users_per_day
            .map(|users| users as f64 * self.traffic_percent / 100.0)
    }
}

/// The largest effect: a rise to 1,000 times the baseline.
const LARGEST_LIFT: f64 = 1_000.0;

/// Parses a lift: not 0, above -1.
///
/// # Errors
/// If it is anything else.
pub fn minimum_detectable_effect(text: &str) -> Result<f64, Invalid> {
    let fits =
        |lift: &f64| *lift > -1.0 && *lift <= LARGEST_LIFT && lift.abs() >= limits::MIN_FRACTION;
    let detail = "Must be a part of the control's mean above -1 and up to 1000, and not 0 (at least 0.000001 either way): \
                  0.02 is a rise of 2%, -0.02 a fall.";
    number(text, fits, detail)
}

/// Parses an error level: above 0, below 0.5.
///
/// # Errors
/// If it is anything else.
pub fn alpha(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be at least 0.000001 and below 0.5, such as 0.05.";
    number(
        text,
        |alpha| (limits::MIN_FRACTION..0.5).contains(alpha),
        detail,
    )
}

/// Parses a power: above 0, below 1. [`power_exceeds`] checks that it is above alpha.
///
/// # Errors
/// If it is anything else.
pub fn power(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above alpha and below 1, such as 0.8.";
    number(
        text,
        |power| (limits::MIN_FRACTION..1.0).contains(power),
        detail,
    )
}

/// Checks that the power is above alpha.
///
/// # Errors
/// If the power is not above alpha.
pub fn power_exceeds(alpha: f64, power: f64) -> Result<(), Invalid> {
    if power > alpha {
        return Ok(());
    }
    let detail = format!("Must be above alpha, which is {alpha}, and below 1, such as 0.8.");
    Err(Invalid::new("out_of_range", detail))
}

/// Parses a conversion rate: strictly between 0 and 1.
///
/// # Errors
/// If it is anything else.
pub fn rate(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above 0 and below 1: 0.19 is 19%.";
    number(text, |rate| *rate > 0.0 && *rate < 1.0, detail)
}

/// Parses a mean: not 0.
///
/// # Errors
/// If it is 0 or out of range.
pub fn mean(text: &str) -> Result<f64, Invalid> {
    let detail = "Must not be 0, because a lift is relative to it, and at most 1,000,000 times the largest value of an event.";
    number(text, |mean| is_size(mean.abs()), detail)
}

/// Parses a standard deviation: above 0.
///
/// # Errors
/// If it is not, or out of range.
pub fn standard_deviation(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above 0, and at most 1,000,000 times the largest value of an event.";
    number(text, |deviation| is_size(*deviation), detail)
}

fn is_size(size: f64) -> bool {
    let most = limits::MAX_VALUE_UNITS as f64 * 1e6;
    (1e-12..=most).contains(&size)
}

/// Parses a number of users.
///
/// # Errors
/// If it is no whole number from `least` to [`limits::MAX_PLANNED_USERS`].
pub fn users(text: &str, least: u64) -> Result<u64, Invalid> {
    let range = least..=limits::MAX_PLANNED_USERS;
    decimal::whole(text)
        .filter(|users| range.contains(users))
        .ok_or_else(|| {
            let most = grouped(limits::MAX_PLANNED_USERS);
            let detail = format!("Must be a whole number from {least} to {most}.");
            Invalid::new("out_of_range", detail)
        })
}

fn number(text: &str, fits: impl Fn(&f64) -> bool, detail: &str) -> Result<f64, Invalid> {
    text.parse()
        .ok()
        .filter(fits)
        .ok_or_else(|| Invalid::new("out_of_range", detail))
}
