//! One arm as the tests see it: how many units, their mean and the variance of one unit.

use serde::Serialize;

use super::double_double::DoubleDouble;
use super::missing::MissingReason;

/// Units, mean and per-unit variance of one arm, whatever the metric is made of.
///
/// Comes from [`super::Moments`], [`super::Proportion`], a ratio or an adjusted metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    n: u64,
    mean: f64,
    /// What `mean` leaves out: differences of large means would lose it.
    #[serde(skip)]
    mean_rest: f64,
    variance: f64,
}

impl Sample {
    /// At least two units, a finite mean and a finite variance of at least 0.
    pub fn new(n: u64, mean: f64, variance: f64) -> Result<Self, MissingReason> {
        Self::from_parts(n, mean.into(), variance)
    }

    /// From plain sums over units; the subtraction is done in twice the precision.
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

    /// Mean of a unit.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Unbiased variance of one unit.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Variance of the mean: variance / n.
    pub fn mean_variance(&self) -> f64 {
        self.variance / self.n as f64
    }

    /// `self` minus `other` in means, to the last digit of both.
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
