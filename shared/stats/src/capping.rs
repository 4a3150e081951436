//! Percentile capping (winsorising) of stored aggregates: values beyond a percentile of all arms become
//! the value at this percentile.
//!
//! A single sum cannot be capped after it is computed. Therefore the moments are stored by logarithmic
//! bucket of the user's value. Values in the bucket of the percentile and below it keep their exact
//! value. All arms share the caps, because caps per arm bias the effect. The result is the effect on
//! the capped metric, which is shown beside the effect on the uncapped metric.
//!
//! Both tails are capped by the same rule. A cap never changes the sign of a value: the upper cap is at
//! least zero, and the lower cap is at most zero. Without negative values, there is no lower cap.

use std::collections::BTreeMap;

use super::histogram::LogBuckets;
use super::missing::MissingReason;
use super::moments::Moments;
use super::wide::difference_of_products;

/// The exact moments of one arm by bucket of the user's value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketMoments {
    /// Number of users whose value is zero.
    pub zeros: u64,
    /// Moments of the users with a positive value, by bucket key.
    pub positive: BTreeMap<i32, Moments>,
    /// Moments of the users with a negative value, by bucket key of the absolute value.
    pub negative: BTreeMap<i32, Moments>,
}

/// The cap of one tail. A larger absolute value of this sign becomes the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cap {
    /// The last bucket whose values are kept. `None` keeps no value of this sign.
    key: Option<i32>,
    /// The cap in millionths of a metric unit, with its sign.
    micros: i128,
}

/// The caps of a percentile, which all arms share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    upper: Cap,
    lower: Option<Cap>,
}

impl Threshold {
    /// The largest value after capping, in millionths of a metric unit, at least 0.
    ///
    /// No value that is kept is larger. It is the largest value that is kept if all users in the last
    /// bucket have the same value, or if the bucket has at most two users. Otherwise it is at most 2.02%
    /// larger, the width of a bucket at 1% accuracy.
    pub fn cap_micros(&self) -> i128 {
        self.upper.micros
    }

    /// The smallest value after capping, in millionths of a metric unit, at most 0. `None` if no value is
    /// negative. It is as accurate as the upper cap.
    pub fn lower_cap_micros(&self) -> Option<i128> {
        self.lower.map(|cap| cap.micros)
    }

    /// The caps at the `share` and the 1 - `share` quantile of the non-zero values of all arms together.
    /// `share` is in (0, 1], for example 0.999.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if all values are zero; [`MissingReason::OutOfRange`] if `share` is;
    /// [`MissingReason::Overflow`] if the square of a cap is too large.
    pub fn pooled(
        arms: &[&BucketMoments],
        share: f64,
        buckets: &LogBuckets,
    ) -> Result<Self, MissingReason> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(MissingReason::OutOfRange("share"));
        }
        let positive = merged(arms.iter().map(|arm| &arm.positive))?;
        let negative = merged(arms.iter().map(|arm| &arm.negative))?;
        let users = |side: &BTreeMap<i32, Moments>| side.values().map(|m| m.n).sum::<u64>();
        let (above, below) = (users(&positive), users(&negative));
        let wanted = (share * (above + below) as f64).ceil().max(1.0) as u64;
        if above + below == 0 {
            return Err(MissingReason::NoUnits);
        }
        let lower = if below == 0 {
            None
        } else {
            Some(cap(&negative, wanted.saturating_sub(above), -1, buckets)?)
        };
        Ok(Self {
            upper: cap(&positive, wanted.saturating_sub(below), 1, buckets)?,
            lower,
        })
    }
}

/// The moments of all arms by bucket.
fn merged<'m>(
    sides: impl Iterator<Item = &'m BTreeMap<i32, Moments>>,
) -> Result<BTreeMap<i32, Moments>, MissingReason> {
    let mut sum = BTreeMap::<i32, Moments>::new();
    for (key, moments) in sides.flatten() {
        let bucket = sum.entry(*key).or_default();
        *bucket = bucket
            .checked_add(*moments)
            .ok_or(MissingReason::Overflow)?;
    }
    Ok(sum)
}

/// The cap of one tail: the bucket of the value with rank `wanted`, by absolute value. Rank 0 is the
/// value zero.
fn cap(
    side: &BTreeMap<i32, Moments>,
    wanted: u64,
    sign: i128,
    buckets: &LogBuckets,
) -> Result<Cap, MissingReason> {
    let mut kept = None;
    let mut seen = 0;
    for (key, moments) in side.iter().filter(|(_, moments)| moments.n > 0) {
        if seen >= wanted {
            break;
        }
        seen += moments.n;
        kept = Some((*key, *moments));
    }
    let Some((key, moments)) = kept else {
        return Ok(Cap {
            key: None,
            micros: 0,
        });
    };
    let size = largest(&moments).min((buckets.upper_edge(key) * 1e6).ceil());
    // The squares of larger values overflow the exact sums.
    if size > 1.3e19 {
        return Err(MissingReason::Overflow);
    }
    Ok(Cap {
        key: Some(key),
        micros: sign * size as i128,
    })
}

/// An upper bound of the largest absolute value of users with these moments and equal signs, in
/// millionths: mean + sd √(n − 1) (Samuelson 1968). It is exact for up to two users, and for equal values.
fn largest(moments: &Moments) -> f64 {
    let n = i128::from(moments.n);
    let (sum, squares) = (moments.sum_micros, moments.sum_squares_picos);
    let spread = difference_of_products(n, squares, sum, sum).max(0.0);
    if spread == 0.0 && n > 0 {
        return (sum / n).abs() as f64;
    }
    let n = n as f64;
    let bound = (sum.abs() as f64 + (spread * (n - 1.0)).sqrt()) / n;
    // The rounding errors must not put a value above the bound; the values are whole millionths.
    if moments.n == 2 {
        bound.round()
    } else {
        (bound * (1.0 + 1e-12)).ceil()
    }
}

impl BucketMoments {
    /// Adds one user with this value in millionths. Returns `None` on overflow.
    pub fn record(&mut self, value_micros: i128, buckets: &LogBuckets) -> Option<()> {
        let user = Moments::of_user(value_micros)?;
        if value_micros == 0 {
            self.zeros += 1;
            return Some(());
        }
        let side = if value_micros > 0 {
            &mut self.positive
        } else {
            &mut self.negative
        };
        let key = buckets.key(value_micros.unsigned_abs() as f64 / 1e6);
        let bucket = side.entry(key).or_default();
        *bucket = bucket.checked_add(user)?;
        Some(())
    }

    /// The moments of all users without capping. Returns `None` on overflow.
    pub fn total(&self) -> Option<Moments> {
        let zeros = Moments {
            n: self.zeros,
            ..Moments::default()
        };
        let sides = self.positive.values().chain(self.negative.values());
        sides.copied().try_fold(zeros, Moments::checked_add)
    }

    /// The moments of all users with values capped at the threshold. Returns `None` on overflow.
    pub fn winsorised(&self, threshold: &Threshold) -> Option<Moments> {
        let zeros = Moments {
            n: self.zeros,
            ..Moments::default()
        };
        let upper = capped(&self.positive, Some(threshold.upper))?;
        let lower = capped(&self.negative, threshold.lower)?;
        zeros.checked_add(upper)?.checked_add(lower)
    }
}

/// The moments of one side with its cap.
fn capped(side: &BTreeMap<i32, Moments>, cap: Option<Cap>) -> Option<Moments> {
    let mut sum = Moments::default();
    for (key, moments) in side {
        let replaced = cap.filter(|cap| cap.key.is_none_or(|last| *key > last));
        let moments = match replaced {
            None => *moments,
            Some(cap) => {
                let one = Moments::of_user(cap.micros)?;
                let n = i128::from(moments.n);
                Moments {
                    n: moments.n,
                    sum_micros: one.sum_micros.checked_mul(n)?,
                    sum_squares_picos: one.sum_squares_picos.checked_mul(n)?,
                }
            }
        };
        sum = sum.checked_add(moments)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(values: impl IntoIterator<Item = i128>) -> (BucketMoments, LogBuckets) {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut arm = BucketMoments::default();
        for value in values {
            arm.record(value * 1_000_000, &buckets).unwrap();
        }
        (arm, buckets)
    }

    #[test]
    fn only_values_above_the_pooled_percentile_are_capped_and_no_user_is_lost() {
        let (arm, buckets) = arm([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1_000_000]);
        let threshold =
            Threshold::pooled(&[&arm, &BucketMoments::default()], 0.9, &buckets).unwrap();
        let capped = arm.winsorised(&threshold).unwrap();
        assert_eq!(capped.n, 12);
        assert_eq!(threshold.cap_micros(), 9_000_000);
        assert_eq!(threshold.lower_cap_micros(), None);
        assert_eq!(capped.sum_micros, 45_000_000 + 9_000_000);
        assert_eq!(arm.total().unwrap().sum_micros, 1_000_045_000_000);
    }

    #[test]
    fn a_threshold_at_the_largest_value_changes_nothing() {
        let (arm, buckets) = arm(-20..50);
        let threshold = Threshold::pooled(&[&arm], 1.0, &buckets).unwrap();
        assert_eq!(arm.winsorised(&threshold), arm.total());
        assert_eq!(threshold.cap_micros(), 49_000_000);
        assert_eq!(threshold.lower_cap_micros(), Some(-20_000_000));
    }

    #[test]
    fn the_cap_of_equal_values_is_that_value() {
        let (arm, buckets) = arm((0..100).map(|_| 100));
        let threshold = Threshold::pooled(&[&arm], 0.99, &buckets).unwrap();
        assert_eq!(threshold.cap_micros(), 100_000_000);
    }

    #[test]
    fn the_cap_is_at_least_every_kept_value_and_at_most_one_bucket_larger() {
        let buckets = LogBuckets::new(0.01).unwrap();
        for step in 1..40_i128 {
            let mut arm = BucketMoments::default();
            for i in 0..200_i128 {
                arm.record(1_000_000 + i * step * 1_003, &buckets).unwrap();
            }
            let threshold = Threshold::pooled(&[&arm], 0.9, &buckets).unwrap();
            let cap = threshold.cap_micros();
            let quantile = 1_000_000 + 179 * step * 1_003;
            assert!(cap >= quantile, "{step}");
            assert!(
                cap as f64 <= quantile as f64 * 1.0203,
                "{step}: {cap} {quantile}"
            );
        }
    }

    #[test]
    fn refunds_are_capped_by_the_same_rule_and_keep_their_sign() {
        let values = (1..=98).chain([-1_000_000, 5_000_000]);
        let (arm, buckets) = arm(values);
        let threshold = Threshold::pooled(&[&arm], 0.99, &buckets).unwrap();
        // 99 of 100 non-zero values are at most 98. One of 100 is negative, so the lower cap is zero.
        assert!((98_000_000..99_980_000).contains(&threshold.cap_micros()));
        assert_eq!(threshold.lower_cap_micros(), Some(0));
        let mirrored: Vec<i128> = (1..=98)
            .map(|x| -x)
            .chain([1_000_000, -5_000_000])
            .collect();
        let (mirrored, _) = self::arm(mirrored);
        let opposite = Threshold::pooled(&[&mirrored], 0.99, &buckets).unwrap();
        assert_eq!(opposite.cap_micros(), 0);
        assert_eq!(opposite.lower_cap_micros(), Some(-threshold.cap_micros()));
        let sum = |arm: &BucketMoments, caps| arm.winsorised(caps).unwrap().sum_micros;
        assert_eq!(sum(&arm, &threshold), -sum(&mirrored, &opposite));
    }
}
