//! The trend of the effect over exposure cohorts, which shows a novelty effect: a weighted linear
//! regression of the cohorts' effects.
//!
//! A cohort is the users who are first exposed in one period. All cohorts are measured over windows
//! of equal length. The effects of cohorts are independent, while daily effects of the same users
//! are not.

use serde::Serialize;

use super::effect::{Effect, p_value};
use super::level::Alternative;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// The p-value of the slope below which a novelty effect is reported.
pub const NOVELTY_LEVEL: f64 = 0.01;

/// The regression line through the effects of the cohorts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// Mean effect of all cohorts, weighted by precision.
    pub mean_effect: f64,
    /// Change of the effect per period.
    pub slope: f64,
    /// Standard error of the slope.
    pub slope_standard_error: f64,
    /// Slope divided by its standard error.
    pub z: f64,
    /// Two-sided p-value of the slope under the normal distribution.
    pub p_value: PValue,
    /// Value of the line at the last period.
    pub fitted_last: f64,
    /// Standard error of the value of the line at the last period.
    pub fitted_last_standard_error: f64,
}

impl Trend {
    /// Whether there is a novelty effect: the effect moves towards zero and the slope's p-value is
    /// below [`NOVELTY_LEVEL`].
    pub fn is_novelty(&self) -> bool {
        self.slope * self.mean_effect < 0.0 && self.p_value.value() < NOVELTY_LEVEL
    }
}

/// Fits the regression line through (period, effect) pairs. Each effect has the weight
/// 1 / standard error².
///
/// # Errors
/// [`MissingReason::TooFewPeriods`] with fewer than two distinct periods;
/// [`MissingReason::OutOfRange`] if a period is not finite; [`MissingReason::Overflow`] if a result
/// is not finite.
pub fn trend(cohorts: &[(f64, Effect)]) -> Result<Trend, MissingReason> {
    let unit = cohorts
        .iter()
        .map(|(_, e)| e.standard_error())
        .fold(f64::INFINITY, f64::min);
    let last = cohorts
        .iter()
        .map(|(period, _)| *period)
        .fold(f64::NEG_INFINITY, f64::max);
    let first = cohorts
        .iter()
        .map(|(period, _)| *period)
        .fold(f64::INFINITY, f64::min);
    if cohorts.iter().any(|(period, _)| !period.is_finite()) {
        return Err(MissingReason::OutOfRange("periods"));
    }
    if first >= last {
        let seen = u64::from(!cohorts.is_empty());
        return Err(MissingReason::TooFewPeriods { needed: 2, seen });
    }
    let weight = |effect: &Effect| (unit / effect.standard_error()).powi(2);
    let mean_over = |f: &dyn Fn(f64, &Effect) -> f64, total: f64| -> f64 {
        cohorts
            .iter()
            .map(|(period, e)| weight(e) / total * f(*period, e))
            .sum()
    };
    let total: f64 = cohorts.iter().map(|(_, e)| weight(e)).sum();
    let centre = mean_over(&|period, _| period, total);
    let mean_effect = finite(mean_over(&|_, e| e.value(), total))?;
    let spread = mean_over(&|period, _| (period - centre).powi(2), total);
    if spread <= 0.0 {
        return Err(MissingReason::TooFewPeriods { needed: 2, seen: 1 });
    }
    let slope =
        finite(mean_over(&|p, e| (p - centre) * (e.value() - mean_effect), total) / spread)?;
    let mean_standard_error = unit / total.sqrt();
    let slope_standard_error = mean_standard_error / spread.sqrt();
    let z = finite(slope / slope_standard_error)?;
    Ok(Trend {
        mean_effect,
        slope,
        slope_standard_error,
        z,
        p_value: p_value(z, None, Alternative::TwoSided),
        fitted_last: finite(mean_effect + slope * (last - centre))?,
        fitted_last_standard_error: mean_standard_error
            .hypot(slope_standard_error * (last - centre)),
    })
}
