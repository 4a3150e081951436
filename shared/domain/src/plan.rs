//! Planning: what an experiment is asked to find, how many users that takes, and the plan that it keeps.
//!
//! A [`PlanRequest`] is answered from one baseline, the metric as the control is expected to have it: from what somebody
//! knows of it, or as the control of a earlier experiment has it. Every number comes from [`stats`].

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
use super::{Invalid, limits};
use serde::{Deserialize, Serialize};

/// What an experiment was planned to find, fixed before it starts.
///
/// `users` tunes the confidence sequence of results that are sequential (a comparison of two variants is tuned to their
/// share of it), and a sequence that is tuned anew during a run promises nothing: so the plan of an experiment that
/// has started never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The declared metric that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metric: Option<MetricKey>,
    /// The smallest change worth finding, as a part of the control's mean: -0.02 is a fall of 2 %. Not 0, above -1.
    pub minimum_detectable_effect: f64,
    /// Two-sided error level of all comparisons with the control together, above 0 and below 0.5.
    pub alpha: f64,
    /// Probability of finding a change of that size, above `alpha` and below 1.
    pub power: f64,
    /// Users of all variants together at the planned end, 2 or more.
    pub users: u64,
}

/// The error level of whoever names none.
pub const USUAL_ALPHA: f64 = 0.05;
/// The power of whoever names none.
pub const USUAL_POWER: f64 = 0.8;

impl Plan {
    /// Checks that the metric it is about is among the declared ones.
    ///
    /// # Errors
    /// Says which there are.
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
            format!("there are {}", keys.join(", "))
        };
        let detail =
            format!("The plan is about a declared metric; `{planned}` is not, {declared}.");
        Err(Invalid::new("unknown_metric", detail))
    }
}

/// What is asked before an experiment starts.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// The metric as the control is expected to have it.
    pub metric: PlannedMetric,
    /// What the experiment is to find, and how it is laid out.
    pub design: Design,
}

/// What an experiment is to find, and how it is laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The smallest change worth finding, as a part of the control's mean. Not 0, above -1.
    pub minimum_detectable_effect: f64,
    /// How the users are shared out, the control first, nobody with 0 %.
    pub variants: Variants,
    /// Share of the users that take part, in percent, above 0.
    pub traffic_percent: f64,
    /// Users who data range the experiment on a day, before `traffic_percent`.
    pub users_per_day: Option<u64>,
    /// Two-sided error level of all comparisons together, shared among them.
    pub alpha: f64,
    /// Probability of finding the change, in each comparison.
    pub power: f64,
}

impl Design {
    /// Users of all variants on a day.
    fn enrolled_per_day(&self) -> Option<f64> {
        self.users_per_day
            .map(|users| users as f64 * self.traffic_percent / 100.0)
    }
}

/// The smallest change that anybody plans for, and the smallest error level: what is asked for beyond them takes
/// more users than there are, and DynamoDB holds no number near zero.
const LEAST: f64 = 1e-6;
/// A rise to a thousand times is not a matter of statistics.
const LARGEST_LIFT: f64 = 1_000.0;

/// A lift as it is written: not 0, above -1.
///
/// # Errors
/// If it is anything else.
pub fn minimum_detectable_effect(text: &str) -> Result<f64, Invalid> {
    let fits = |lift: &f64| *lift > -1.0 && *lift <= LARGEST_LIFT && lift.abs() >= LEAST;
    let detail = "Must be a part of the control's mean above -1 and up to 1000, and not 0 (at least 0.000001 either way): \
                  0.02 is a rise of 2 %, -0.02 a fall.";
    number(text, fits, detail)
}

/// An error level as it is written: above 0, below 0.5.
///
/// # Errors
/// If it is anything else.
pub fn alpha(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be at least 0.000001 and below 0.5, such as 0.05.";
    number(text, |alpha| (LEAST..0.5).contains(alpha), detail)
}

/// A power as it is written: above 0, below 1. That it exceeds alpha is for [`power_exceeds`].
///
/// # Errors
/// If it is anything else.
pub fn power(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above alpha and below 1, such as 0.8.";
    number(text, |power| (LEAST..1.0).contains(power), detail)
}

/// Checks that an experiment finds what is there more often than what is not.
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

/// A conversion rate as it is written: strictly between 0 and 1.
///
/// # Errors
/// If it is anything else.
pub fn rate(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above 0 and below 1: 0.19 is 19 %.";
    number(text, |rate| *rate > 0.0 && *rate < 1.0, detail)
}

/// A mean as it is written: not 0.
///
/// # Errors
/// If it is 0 or beyond what is held.
pub fn mean(text: &str) -> Result<f64, Invalid> {
    let detail = "Must not be 0, since a lift is a part of it, nor beyond a million times the largest value of an event.";
    number(text, |mean| is_size(mean.abs()), detail)
}

/// A standard deviation as it is written: above 0.
///
/// # Errors
/// If it is not, or beyond what is held.
pub fn standard_deviation(text: &str) -> Result<f64, Invalid> {
    let detail = "Must be above 0 and not beyond a million times the largest value of an event.";
    number(text, |deviation| is_size(*deviation), detail)
}

fn is_size(size: f64) -> bool {
    let most = limits::MAX_VALUE_UNITS as f64 * 1e6;
    (1e-12..=most).contains(&size)
}

/// A number of users as it is written.
///
/// # Errors
/// If it is no whole number from `least` up to [`limits::MAX_PLANNED_USERS`].
pub fn users(text: &str, least: u64) -> Result<u64, Invalid> {
    let range = least..=limits::MAX_PLANNED_USERS;
    text.parse()
        .ok()
        .filter(|users| range.contains(users))
        .ok_or_else(|| {
            let most = limits::MAX_PLANNED_USERS;
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
