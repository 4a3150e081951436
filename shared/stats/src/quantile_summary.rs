//! A quantile of one arm from the summary that GrowthBook stores, for results that must agree with
//! GrowthBook.
//!
//! GrowthBook's minimum variance is absolute and therefore depends on the metric's unit. The minimum
//! of [`super::LogHistogram`] is proportional to the quantile instead.

use super::effect::Interval;
use super::histogram::enough_for_quantile;
use super::level::Alpha;
use super::missing::MissingReason;
use super::sample::Sample;

/// Half the width of a 95% interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;
/// Minimum variance of an arm with at least [`FLOORED_FROM`] units.
const VARIANCE_FLOOR: f64 = 1e-5;
const FLOORED_FROM: u64 = 100;

/// The summary of a quantile in one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileSummary {
    /// Number of units in the arm.
    pub n: u64,
    /// Number of units from which the order statistics of the interval are taken.
    pub n_star: u64,
    /// The quantile, strictly between 0 and 1.
    pub quantile: f64,
    /// Estimate of the quantile, in metric units.
    pub estimate: f64,
    /// 95% interval of the quantile from order statistics.
    pub interval: Interval,
}

impl QuantileSummary {
    /// The arm as a sample, whose mean is the quantile.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the quantile is; [`MissingReason::TooFewUnits`] with too few
    /// units for the interval; [`MissingReason::ZeroVariance`] if the interval has no width.
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        if !(self.quantile > 0.0 && self.quantile < 1.0) {
            return Err(MissingReason::OutOfRange("quantile"));
        }
        enough_for_quantile(self.n_star, self.quantile, Alpha::FIVE_PERCENT)?;
        let width = self.interval.width();
        if width <= 0.0 {
            return Err(MissingReason::ZeroVariance);
        }
        let n = self.n as f64;
        let variance = self.n_star as f64 / n * (n - 1.0) * (width / (2.0 * Z_95)).powi(2);
        let floored = if self.n >= FLOORED_FROM {
            variance.max(VARIANCE_FLOOR)
        } else {
            variance
        };
        Sample::new(self.n, self.estimate, floored)
    }
}
