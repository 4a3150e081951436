//! A quantile of one arm from the summary that GrowthBook keeps, for results that must agree.
//!
//! Its floor on the variance is absolute and so depends on the metric's unit; our own quantiles
//! ([`super::LogHistogram`]) use a floor in proportion to the quantile instead.

use super::effect::Interval;
use super::histogram::enough_for_quantile;
use super::level::Alpha;
use super::missing::MissingReason;
use super::sample::Sample;

/// Half width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;
/// Least variance of an arm with at least [`FLOORED_FROM`] units.
const VARIANCE_FLOOR: f64 = 1e-5;
const FLOORED_FROM: u64 = 100;

/// What is known of the quantile in one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileSummary {
    /// Units in the arm.
    pub n: u64,
    /// Units among which the interval's order statistics were read.
    pub n_star: u64,
    /// Which quantile, strictly between 0 and 1.
    pub quantile: f64,
    /// Its estimate.
    pub estimate: f64,
    /// Its 95 % interval from order statistics.
    pub interval: Interval,
}

impl QuantileSummary {
    /// The arm as a sample; none with too few units or an interval without width.
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
