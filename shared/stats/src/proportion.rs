//! Conversions among users: the counts behind a conversion rate.

use serde::Serialize;

use super::missing::MissingReason;
use super::sample::Sample;

/// `conversions` of `n` users converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proportion {
    n: u64,
    conversions: u64,
}

impl Proportion {
    /// None when more users converted than there are, or when there are none.
    pub fn new(n: u64, conversions: u64) -> Result<Self, MissingReason> {
        if n == 0 {
            Err(MissingReason::NoUnits)
        } else if conversions > n {
            Err(MissingReason::Inconsistent)
        } else {
            Ok(Self { n, conversions })
        }
    }

    /// Users in the arm.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Users who converted.
    pub fn conversions(&self) -> u64 {
        self.conversions
    }

    /// Users who did not.
    pub fn misses(&self) -> u64 {
        self.n - self.conversions
    }

    /// Share of users who converted, 0 to 1.
    pub fn rate(&self) -> f64 {
        self.conversions as f64 / self.n as f64
    }

    /// Variance p(1-p) of one user, without the factor n/(n-1) that a mean would have.
    pub fn variance(&self) -> f64 {
        let n = self.n as f64;
        (self.conversions as f64 / n) * (self.misses() as f64 / n)
    }

    /// The same arm for the methods that take means; none below two users.
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        Sample::new(self.n, self.rate(), self.variance())
    }
}
