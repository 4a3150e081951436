//! A conversion rate as exact counts: conversions and users.

use serde::Serialize;

use super::missing::MissingReason;
use super::sample::Sample;

/// The number of users of one arm and the number of them who converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proportion {
    n: u64,
    conversions: u64,
}

impl Proportion {
    /// Creates the proportion of `conversions` among `n` users.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if `n` is 0; [`MissingReason::Inconsistent`] if there are more
    /// conversions than users.
    pub fn new(n: u64, conversions: u64) -> Result<Self, MissingReason> {
        if n == 0 {
            Err(MissingReason::NoUnits)
        } else if conversions > n {
            Err(MissingReason::Inconsistent)
        } else {
            Ok(Self { n, conversions })
        }
    }

    /// Number of users in the arm.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Number of users who converted.
    pub fn conversions(&self) -> u64 {
        self.conversions
    }

    /// Number of users who did not convert.
    pub fn misses(&self) -> u64 {
        self.n - self.conversions
    }

    /// Conversion rate, 0 to 1.
    pub fn rate(&self) -> f64 {
        self.conversions as f64 / self.n as f64
    }

    /// Variance p(1-p) per user, without the factor n/(n-1) of an unbiased variance.
    pub fn variance(&self) -> f64 {
        let n = self.n as f64;
        (self.conversions as f64 / n) * (self.misses() as f64 / n)
    }

    /// The arm as a [`Sample`], for the methods that compare means.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two users.
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        Sample::new(self.n, self.rate(), self.variance())
    }
}
