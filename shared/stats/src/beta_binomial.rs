//! The Beta-Binomial model of a conversion rate, for those who ask for it.
//!
//! The Gaussian effect model answers the same question for every metric and is shown by default.

use serde::Serialize;

use super::contest::{RateContest, compare_rates};
use super::distributions::beta_quantile;
use super::effect::Interval;
use super::level::Alpha;
use super::missing::MissingReason;
use super::proportion::Proportion;

/// A prior or posterior of a conversion rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BetaDistribution {
    a: f64,
    b: f64,
}

impl Default for BetaDistribution {
    /// Every rate equally likely.
    fn default() -> Self {
        Self { a: 1.0, b: 1.0 }
    }
}

impl BetaDistribution {
    /// Successes and failures counted beforehand, each at least 0.001.
    pub fn new(a: f64, b: f64) -> Result<Self, MissingReason> {
        let fine = |x: f64| x >= 0.001 && x.is_finite();
        if fine(a) && fine(b) {
            Ok(Self { a, b })
        } else {
            Err(MissingReason::OutOfRange("prior"))
        }
    }

    /// The distribution after these conversions; none of them leaves the prior.
    pub fn after(self, arm: Option<&Proportion>) -> Self {
        arm.map_or(self, |arm| Self {
            a: self.a + arm.conversions() as f64,
            b: self.b + arm.misses() as f64,
        })
    }

    /// Expected rate.
    pub fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// Central interval that holds the rate with probability 1 - alpha.
    pub fn interval(&self, alpha: Alpha) -> Result<Interval, MissingReason> {
        // The upper end from the other side, where it may be close to 1.
        let lower = beta_quantile(alpha.per_tail(), self.a, self.b);
        let upper = beta_quantile(alpha.per_tail(), self.b, self.a);
        match (lower, upper) {
            (Some(lower), Some(from_one)) => Interval::between(lower, 1.0 - from_one),
            _ => Err(MissingReason::OutOfRange("alpha")),
        }
    }

    /// This distribution, the control's, against the treatment's.
    pub fn compare(&self, treatment: &Self) -> Result<RateContest, MissingReason> {
        compare_rates((self.a, self.b), (treatment.a, treatment.b))
    }
}
