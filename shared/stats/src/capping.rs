//! Percentile capping (winsorising) of stored aggregates: values above a percentile of all arms
//! become the value at this percentile.
//!
//! A single sum cannot be capped after it is computed. Therefore the moments are stored by logarithmic
//! bucket of the user's value, and capping is exact at the bucket edges. All arms share one threshold,
//! because a threshold per arm biases the effect. The result is the effect on the capped metric,
//! which is shown beside the effect on the uncapped metric.

use std::collections::BTreeMap;

use super::histogram::LogBuckets;
use super::missing::MissingReason;
use super::moments::Moments;

/// The exact moments of one arm by bucket of the user's value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketMoments {
    /// Moments of the users whose value is zero or negative. These values are never capped.
    pub not_positive: Moments,
    /// Number of users whose value is exactly zero. `not_positive` includes them.
    pub zeros: u64,
    /// Moments of the users with a positive value, by bucket key.
    pub positive: BTreeMap<i32, Moments>,
}

/// A capping threshold: the upper edge of a bucket. Every larger value becomes this value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    key: i32,
    cap_micros: i128,
}

impl Threshold {
    /// The largest value after capping, in millionths of a metric unit.
    pub fn cap_micros(&self) -> i128 {
        self.cap_micros
    }

    /// The threshold at the upper edge of the bucket that contains the `share` quantile of the
    /// non-zero values of all arms together. `share` is in (0, 1], for example 0.999.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if there are no positive values; [`MissingReason::OutOfRange`] if
    /// `share` is; [`MissingReason::Overflow`] if the square of the threshold is too large.
    pub fn pooled(
        arms: &[&BucketMoments],
        share: f64,
        buckets: &LogBuckets,
    ) -> Result<Self, MissingReason> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(MissingReason::OutOfRange("share"));
        }
        let below_zero: u64 = arms
            .iter()
            .map(|arm| arm.not_positive.n.saturating_sub(arm.zeros))
            .sum();
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for (key, moments) in arms.iter().flat_map(|arm| &arm.positive) {
            *counts.entry(*key).or_default() += moments.n;
        }
        let total = below_zero + counts.values().sum::<u64>();
        let wanted = (share * total as f64).ceil().max(1.0) as u64;
        let mut seen = below_zero;
        for (key, n) in counts {
            seen += n;
            if seen >= wanted && n > 0 {
                let cap = (buckets.upper_edge(key) * 1e6).round();
                // The squares of larger values overflow the exact sums.
                if cap > 1.3e19 {
                    return Err(MissingReason::Overflow);
                }
                return Ok(Self {
                    key,
                    cap_micros: cap as i128,
                });
            }
        }
        Err(MissingReason::NoUnits)
    }
}

impl BucketMoments {
    /// Adds one user with this value in millionths. Returns `None` on overflow.
    pub fn record(&mut self, value_micros: i128, buckets: &LogBuckets) -> Option<()> {
        let user = Moments::of_user(value_micros)?;
        if value_micros <= 0 {
            self.not_positive = self.not_positive.checked_add(user)?;
            self.zeros += u64::from(value_micros == 0);
        } else {
            let bucket = self
                .positive
                .entry(buckets.key(value_micros as f64 / 1e6))
                .or_default();
            *bucket = bucket.checked_add(user)?;
        }
        Some(())
    }

    /// The moments of all users without capping. Returns `None` on overflow.
    pub fn total(&self) -> Option<Moments> {
        self.positive
            .values()
            .try_fold(self.not_positive, |sum, m| sum.checked_add(*m))
    }

    /// The moments of all users with values capped at the threshold. Returns `None` on overflow.
    pub fn winsorised(&self, threshold: &Threshold) -> Option<Moments> {
        let one = Moments::of_user(threshold.cap_micros)?;
        let mut sum = self.not_positive;
        for (key, moments) in &self.positive {
            let capped = if *key <= threshold.key {
                *moments
            } else {
                let n = i128::from(moments.n);
                Moments {
                    n: moments.n,
                    sum_micros: one.sum_micros.checked_mul(n)?,
                    sum_squares_picos: one.sum_squares_picos.checked_mul(n)?,
                }
            };
            sum = sum.checked_add(capped)?;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_above_the_pooled_percentile_are_capped_and_no_user_is_lost() {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut arm = BucketMoments::default();
        for value in [0, 0, -3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1_000_000] {
            arm.record(value * 1_000_000, &buckets).unwrap();
        }
        let threshold =
            Threshold::pooled(&[&arm, &BucketMoments::default()], 0.9, &buckets).unwrap();
        let capped = arm.winsorised(&threshold).unwrap();
        assert_eq!(capped.n, 13);
        assert!((9_000_000..9_200_000).contains(&threshold.cap_micros()));
        assert_eq!(capped.sum_micros, 42_000_000 + threshold.cap_micros());
        assert_eq!(arm.total().unwrap().sum_micros, 1_000_042_000_000);
    }

    #[test]
    fn a_threshold_at_the_largest_value_changes_nothing() {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut arm = BucketMoments::default();
        for value in 1..50 {
            arm.record(value * 1_000_000, &buckets).unwrap();
        }
        let threshold = Threshold::pooled(&[&arm], 1.0, &buckets).unwrap();
        assert_eq!(arm.winsorised(&threshold), arm.total());
    }
}
