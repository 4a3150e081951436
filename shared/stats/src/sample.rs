//! The statistics of one arm that all tests need: number of units, mean and variance per unit.

use serde::Serialize;

use super::double_double::DoubleDouble;
use super::missing::MissingReason;

/// Number of units, mean and variance per unit of one arm.
///
/// It is created from [`super::Moments`], a [`super::Proportion`], a ratio metric or a CUPED-adjusted
/// metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    n: u64,
    mean: f64,
    /// The rounding error of `mean`, which keeps differences of large means accurate.
    #[serde(skip)]
    mean_rest: f64,
    variance: f64,
}

impl Sample {
    /// Creates a sample. The mean is in metric units, the variance per unit in squared metric units.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two units; [`MissingReason::Overflow`] if the mean or the
    /// variance is not finite; [`MissingReason::OutOfRange`] if the variance is negative.
    pub fn new(n: u64, mean: f64, variance: f64) -> Result<Self, MissingReason> {
        Self::from_parts(n, mean.into(), variance)
    }

    /// Creates a sample from f64 sums of values and of squares over `n` units. The subtraction uses
    /// twice the precision of f64.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two units; [`MissingReason::Overflow`] if a result is not
    /// finite.
    pub fn from_sums(n: u64, sum: f64, sum_squares: f64) -> Result<Self, MissingReason> {
        if n < 2 {
            return Err(MissingReason::TooFewUnits { needed: 2, seen: n });
        }
        let units = DoubleDouble::from(i128::from(n));
        let mean = DoubleDouble::from(sum).over(units);
        let deviations =
            DoubleDouble::from(sum_squares).minus(DoubleDouble::product(sum, sum).over(units));
        Self::from_parts(n, mean, deviations.to_f64().max(0.0) / (n - 1) as f64)
    }

    pub(crate) fn from_parts(
        n: u64,
        mean: DoubleDouble,
        variance: f64,
    ) -> Result<Self, MissingReason> {
        if n < 2 {
            return Err(MissingReason::TooFewUnits { needed: 2, seen: n });
        }
        if !mean.is_finite() || !variance.is_finite() {
            return Err(MissingReason::Overflow);
        }
        if variance < 0.0 {
            return Err(MissingReason::OutOfRange("variance"));
        }
        Ok(Self {
            n,
            mean: mean.high,
            mean_rest: mean.low,
            variance,
        })
    }

    /// Units in the arm, at least two.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Mean per unit, in metric units.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance per unit, in squared metric units, at least 0.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The sample with another variance per unit, such as that of both arms together.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if the variance is not finite; [`MissingReason::OutOfRange`] if it is
    /// negative.
    pub fn with_variance(&self, variance: f64) -> Result<Self, MissingReason> {
        let mean = DoubleDouble {
            high: self.mean,
            low: self.mean_rest,
        };
        Self::from_parts(self.n, mean, variance)
    }

    /// Variance of the mean: variance / n.
    pub fn mean_variance(&self) -> f64 {
        self.variance / self.n as f64
    }

    /// The mean of `self` minus the mean of `other`, with the full precision of both.
    pub(crate) fn mean_minus(&self, other: &Self) -> f64 {
        let own = DoubleDouble {
            high: self.mean,
            low: self.mean_rest,
        };
        own.minus(DoubleDouble {
            high: other.mean,
            low: other.mean_rest,
        })
        .to_f64()
    }
}
