//! The Beta-Binomial model of a conversion rate, which is optional.
//!
//! The default is the Gaussian model of the effect, which is available for every metric.

use serde::Serialize;

use super::best_arm::{RateComparison, compare_rates};
use super::distributions::beta_quantile;
use super::effect::Interval;
use super::level::Alpha;
use super::missing::MissingReason;
use super::proportion::Proportion;

/// A beta distribution, the prior or posterior of a conversion rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BetaDistribution {
    a: f64,
    b: f64,
}

impl Default for BetaDistribution {
    /// The uniform prior Beta(1, 1).
    fn default() -> Self {
        Self { a: 1.0, b: 1.0 }
    }
}

impl BetaDistribution {
    /// Creates Beta(a, b): `a` prior conversions and `b` prior users without a conversion, each at
    /// least 0.001.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if a parameter is below 0.001 or not finite.
    pub fn new(a: f64, b: f64) -> Result<Self, MissingReason> {
        let fine = |x: f64| x >= 0.001 && x.is_finite();
        if fine(a) && fine(b) {
            Ok(Self { a, b })
        } else {
            Err(MissingReason::OutOfRange("prior"))
        }
    }

    /// The posterior after the data of this arm. Without data, it is the prior.
    pub fn after(self, arm: Option<&Proportion>) -> Self {
        arm.map_or(self, |arm| Self {
            a: self.a + arm.conversions() as f64,
            b: self.b + arm.misses() as f64,
        })
    }

    /// Mean of the distribution: the expected conversion rate.
    pub fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// Central credible interval, which contains the rate with probability 1 - alpha.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if an end is not finite.
    pub fn interval(&self, alpha: Alpha) -> Result<Interval, MissingReason> {
        // The upper end is computed as its distance from 1, because it may be close to 1.
        let lower = beta_quantile(alpha.per_tail(), self.a, self.b);
        let upper = beta_quantile(alpha.per_tail(), self.b, self.a);
        match (lower, upper) {
            (Some(lower), Some(from_one)) => Interval::between(lower, 1.0 - from_one),
            _ => Err(MissingReason::OutOfRange("alpha")),
        }
    }

    /// Compares this distribution, the control's, with the treatment's.
    ///
    /// # Errors
    /// The same as for [`compare_rates`].
    pub fn compare(&self, treatment: &Self) -> Result<RateComparison, MissingReason> {
        compare_rates((self.a, self.b), (treatment.a, treatment.b))
    }
}
