//! Winsorising after the fact: outliers cut at a percentile of both arms, from bucket sums.
//!
//! Sums alone cannot be cut. Kept by logarithmic bucket of the user's total they can, exactly at
//! the buckets' edges. One threshold for both arms: a threshold per arm biases the effect. What
//! comes out is the effect on the *cut* metric, to be shown beside the plain one.

use std::collections::BTreeMap;

use super::histogram::LogBuckets;
use super::missing::MissingReason;
use super::moments::Moments;

/// One arm's exact moments by bucket of the user's total.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketMoments {
    /// Users whose total is zero or below; they are never cut.
    pub not_positive: Moments,
    /// Of those, the users whose total is exactly zero.
    pub zeros: u64,
    /// Users with a positive total, by bucket.
    pub positive: BTreeMap<i32, Moments>,
}

/// A cut: everything above the upper edge of a bucket becomes that edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    key: i32,
    cap_micros: i128,
}

impl Threshold {
    /// The largest total that remains, in millionths.
    pub fn cap_micros(&self) -> i128 {
        self.cap_micros
    }

    /// The edge of the bucket that holds the `share` quantile (such as 0.999) of the non-zero
    /// aggregate items of all arms together. None without positive aggregate items.
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
                // Squares of larger aggregate items do not fit the exact sums.
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
    /// Counts one user with this total in millionths; none when its square is too large.
    pub fn record(&mut self, total_micros: i128, buckets: &LogBuckets) -> Option<()> {
        let user = Moments::of_user(total_micros)?;
        if total_micros <= 0 {
            self.not_positive = self.not_positive.checked_add(user)?;
            self.zeros += u64::from(total_micros == 0);
        } else {
            let bucket = self
                .positive
                .entry(buckets.key(total_micros as f64 / 1e6))
                .or_default();
            *bucket = bucket.checked_add(user)?;
        }
        Some(())
    }

    /// All users, uncut; none on overflow.
    pub fn total(&self) -> Option<Moments> {
        self.positive
            .values()
            .try_fold(self.not_positive, |sum, m| sum.checked_add(*m))
    }

    /// All users with the aggregate items above the threshold cut to it; none on overflow.
    pub fn winsorised(&self, threshold: &Threshold) -> Option<Moments> {
        let one = Moments::of_user(threshold.cap_micros)?;
        let mut sum = self.not_positive;
        for (key, moments) in &self.positive {
            let cut = if *key <= threshold.key {
                *moments
            } else {
                let n = i128::from(moments.n);
                Moments {
                    n: moments.n,
                    sum_micros: one.sum_micros.checked_mul(n)?,
                    sum_squares_picos: one.sum_squares_picos.checked_mul(n)?,
                }
            };
            sum = sum.checked_add(cut)?;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aggregate_items_above_the_pooled_percentile_are_cut_and_nobody_is_lost() {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut arm = BucketMoments::default();
        for total in [0, 0, -3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1_000_000] {
            arm.record(total * 1_000_000, &buckets).unwrap();
        }
        let threshold =
            Threshold::pooled(&[&arm, &BucketMoments::default()], 0.9, &buckets).unwrap();
        let cut = arm.winsorised(&threshold).unwrap();
        assert_eq!(cut.n, 13);
        assert!((9_000_000..9_200_000).contains(&threshold.cap_micros()));
        assert_eq!(cut.sum_micros, 42_000_000 + threshold.cap_micros());
        assert_eq!(arm.total().unwrap().sum_micros, 1_000_042_000_000);
    }

    #[test]
    fn a_threshold_at_the_largest_total_changes_nothing() {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut arm = BucketMoments::default();
        for total in 1..50 {
            arm.record(total * 1_000_000, &buckets).unwrap();
        }
        let threshold = Threshold::pooled(&[&arm], 1.0, &buckets).unwrap();
        assert_eq!(arm.winsorised(&threshold), arm.total());
    }
}
