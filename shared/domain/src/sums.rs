//! Sums over users of one metric, exact and reversible: what every statistic is computed from.

use super::decimal::Decimal;
use stats::{BucketMoments, CrossMoments, LogBuckets, LogHistogram, MissingReason, Moments};
use std::collections::BTreeMap;

/// The most quantities of a metric: numerator and denominator, each with its pre-exposure value.
pub const MAX_QUANTITIES: usize = 4;
/// Products of two quantities, including squares.
pub const MAX_PRODUCTS: usize = MAX_QUANTITIES * (MAX_QUANTITIES + 1) / 2;
/// Relative width of histogram buckets. Quantiles have this precision, and caps are bucket edges.
const RELATIVE_ACCURACY: f64 = 0.01;

/// A user's values of a metric, in millionths. Unused ones are 0.
pub type Values = [i128; MAX_QUANTITIES];

/// A sum grew beyond 38 digits, which can be stored exactly. Values of this size are no measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum grew beyond 38 digits")]
pub struct Overflow;

/// Users whose value is in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BucketSums {
    /// The number of users.
    pub users: i64,
    /// Σ of their values, in millionths.
    pub sum: i128,
    /// Σ of squares, in 1e-12.
    pub sum_squares: i128,
}

/// Sums over users of a metric's quantities. Users with only zeros change nothing, so the number of users is not part
/// of it.
///
/// The sums form a group: sums of different users can be added, and a user's earlier values can be subtracted, exactly.
/// The difference between two days has the same type as a total.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricSums {
    /// Users with at least one event of the metric's own type.
    pub converted: i64,
    /// Σ of each quantity, in millionths.
    pub sums: Values,
    /// Σ of products in 1e-12, the upper triangle by rows: (0,0), (0,1), …, (1,1), ….
    pub products: [i128; MAX_PRODUCTS],
    /// Users by sign and size of the first quantity, if the metric needs it; users with 0 are in no bucket.
    pub buckets: BTreeMap<(bool, i32), BucketSums>,
}

/// A user's values of one metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserMetricValues {
    /// Whether the user has an event of the metric's own type.
    pub converted: bool,
    /// The values.
    pub values: Values,
}

/// The index of a pair of quantities among the products.
fn place(i: usize, j: usize) -> usize {
    i * MAX_QUANTITIES - i * i.saturating_sub(1) / 2 + (j - i)
}

fn buckets() -> Result<LogBuckets, MissingReason> {
    LogBuckets::new(RELATIVE_ACCURACY)
}

impl MetricSums {
    /// Adds a user's values, or subtracts them.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn apply(
        &mut self,
        state: &UserMetricValues,
        add: bool,
        bucketed: bool,
    ) -> Result<(), Overflow> {
        let sign: i64 = if add { 1 } else { -1 };
        let signed = |x: i128| x * i128::from(sign);
        let grow = |sum: &mut i128, by: i128| {
            *sum = sum.checked_add(signed(by)).ok_or(Overflow)?;
            Ok(())
        };
        self.converted += sign * i64::from(state.converted);
        for (i, x) in state.values.iter().enumerate().filter(|(_, x)| **x != 0) {
            grow(&mut self.sums[i], *x)?;
            for (j, y) in state.values.iter().enumerate().skip(i) {
                let product = x.checked_mul(*y).ok_or(Overflow)?;
                grow(&mut self.products[place(i, j)], product)?;
            }
        }
        let value = state.values[0];
        if bucketed && value != 0 {
            let key = self.bucket_key(value)?;
            let bucket = self.buckets.entry(key).or_default();
            bucket.users += sign;
            grow(&mut bucket.sum, value)?;
            grow(
                &mut bucket.sum_squares,
                value.checked_mul(value).ok_or(Overflow)?,
            )?;
            if *bucket == BucketSums::default() {
                self.buckets.remove(&key);
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a bucket is a rough place")]
    fn bucket_key(&self, value: i128) -> Result<(bool, i32), Overflow> {
        let buckets = buckets().map_err(|_| Overflow)?;
        Ok((value > 0, buckets.key(value.unsigned_abs() as f64 / 1e6)))
    }

    /// Adds the sums of other users, or of a later difference.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn add(&mut self, other: &Self) -> Result<(), Overflow> {
        let grow = |sum: &mut i128, by: i128| {
            *sum = sum.checked_add(by).ok_or(Overflow)?;
            Ok(())
        };
        self.converted += other.converted;
        for (sum, by) in self.sums.iter_mut().zip(other.sums) {
            grow(sum, by)?;
        }
        for (sum, by) in self.products.iter_mut().zip(other.products) {
            grow(sum, by)?;
        }
        for (key, by) in &other.buckets {
            let bucket = self.buckets.entry(*key).or_default();
            bucket.users += by.users;
            grow(&mut bucket.sum, by.sum)?;
            grow(&mut bucket.sum_squares, by.sum_squares)?;
            if *bucket == BucketSums::default() {
                self.buckets.remove(key);
            }
        }
        Ok(())
    }

    /// The moments of one quantity over this number of users.
    pub fn moments(&self, quantity: usize, users: u64) -> Moments {
        Moments {
            n: users,
            sum_micros: self.sums[quantity],
            sum_squares_picos: self.products[place(quantity, quantity)],
        }
    }

    /// The joint moments of several quantities over this number of users.
    pub fn cross_moments(&self, quantities: &[usize], users: u64) -> CrossMoments {
        let pairs = quantities
            .iter()
            .enumerate()
            .flat_map(|(at, i)| quantities[at..].iter().map(move |j| (*i.min(j), *i.max(j))));
        CrossMoments {
            n: users,
            sums_micros: quantities.iter().map(|i| self.sums[*i]).collect(),
            products_picos: pairs.map(|(i, j)| self.products[place(i, j)]).collect(),
        }
    }

    /// Users by bucket of the first quantity, for capping.
    ///
    /// # Errors
    /// If the buckets contradict the number of users or the sums.
    pub fn bucket_moments(&self, users: u64) -> Result<(BucketMoments, LogBuckets), MissingReason> {
        let mut moments = BucketMoments {
            zeros: users,
            ..BucketMoments::default()
        };
        for ((is_positive, key), bucket) in &self.buckets {
            let n = u64::try_from(bucket.users).map_err(|_| MissingReason::Inconsistent)?;
            moments.zeros = moments
                .zeros
                .checked_sub(n)
                .ok_or(MissingReason::Inconsistent)?;
            let side = if *is_positive {
                &mut moments.positive
            } else {
                &mut moments.negative
            };
            let of_bucket = Moments {
                n,
                sum_micros: bucket.sum,
                sum_squares_picos: bucket.sum_squares,
            };
            side.insert(*key, of_bucket);
        }
        if moments.total() != Some(self.moments(0, users)) {
            return Err(MissingReason::Inconsistent);
        }
        Ok((moments, buckets()?))
    }

    /// Users by bucket of the first quantity, for quantiles.
    ///
    /// # Errors
    /// If the buckets contradict the number of users.
    pub fn histogram(&self, users: u64) -> Result<LogHistogram, MissingReason> {
        let mut histogram = LogHistogram::new(buckets()?);
        histogram.zero = users;
        for ((is_positive, key), bucket) in &self.buckets {
            let n = u64::try_from(bucket.users).map_err(|_| MissingReason::Inconsistent)?;
            histogram.zero = histogram
                .zero
                .checked_sub(n)
                .ok_or(MissingReason::Inconsistent)?;
            let side = if *is_positive {
                &mut histogram.positive
            } else {
                &mut histogram.negative
            };
            side.insert(*key, n);
        }
        Ok(histogram)
    }

    /// Σ of one quantity as a plain decimal.
    pub fn exact_sum(&self, quantity: usize) -> String {
        Decimal::from_millionths(self.sums[quantity]).to_string()
    }

    /// Σ of the products of two quantities as a plain decimal.
    pub fn exact_product(&self, i: usize, j: usize) -> String {
        exact_picos(self.products[place(i.min(j), i.max(j))])
    }
}

/// A number of 1e-12 as a plain decimal without trailing zeros.
fn exact_picos(scaled: i128) -> String {
    const PLACES: usize = 12;
    let sign = if scaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", scaled.unsigned_abs(), width = PLACES + 1);
    let (whole, fraction) = digits.split_at(digits.len() - PLACES);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}
