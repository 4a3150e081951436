//! A histogram with logarithmic buckets. It gives quantiles with a fixed relative accuracy, from
//! counts that can be added and subtracted exactly.
//!
//! It is the DDSketch of Masson, Rim & Lee (2019) without collapsing buckets. Five decades at 1%
//! accuracy take 575 buckets. Adaptive sketches (t-digest, KLL) cannot remove a user.

use std::collections::BTreeMap;

use super::distributions::normal_upper_quantile;
use super::effect::Interval;
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::ranks::normal_ranks;
use super::sample::Sample;

/// The bucket layout: the upper edge of each bucket is gamma times its lower edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogBuckets {
    relative_accuracy: f64,
    gamma: f64,
}

impl LogBuckets {
    /// The layout with this relative accuracy of values, from 0.0001 to 0.5. 0.01 is usual.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the accuracy is.
    pub fn new(relative_accuracy: f64) -> Result<Self, MissingReason> {
        if !(1e-4..=0.5).contains(&relative_accuracy) {
            return Err(MissingReason::OutOfRange("relative_accuracy"));
        }
        let gamma = (1.0 + relative_accuracy) / (1.0 - relative_accuracy);
        Ok(Self {
            relative_accuracy,
            gamma,
        })
    }

    /// Ratio of a bucket's upper edge to its lower edge.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The key of the bucket of an absolute value above 0. The bucket covers
    /// (gamma^(key-1), gamma^key].
    pub fn key(&self, size: f64) -> i32 {
        (size.ln() / self.gamma.ln()).ceil() as i32
    }

    /// The value that represents all values in the bucket.
    pub fn value(&self, key: i32) -> f64 {
        2.0 * self.gamma.powi(key) / (1.0 + self.gamma)
    }

    /// The largest value in the bucket.
    pub fn upper_edge(&self, key: i32) -> f64 {
        self.gamma.powi(key)
    }
}

/// Number of users by bucket of their value, separately for negative, zero and positive values.
#[derive(Debug, Clone, PartialEq)]
pub struct LogHistogram {
    buckets: LogBuckets,
    /// Users with the value zero.
    pub zero: u64,
    /// Users with a positive value, by bucket key.
    pub positive: BTreeMap<i32, u64>,
    /// Users with a negative value, by bucket key of the absolute value.
    pub negative: BTreeMap<i32, u64>,
}

/// The edges and the representative value of one bucket, with their sign.
#[derive(Clone, Copy)]
struct Bucket {
    lower: f64,
    value: f64,
    upper: f64,
}

impl LogHistogram {
    /// A histogram without users.
    pub fn new(buckets: LogBuckets) -> Self {
        Self {
            buckets,
            zero: 0,
            positive: BTreeMap::new(),
            negative: BTreeMap::new(),
        }
    }

    /// Adds one user with this finite value.
    pub fn record(&mut self, value: f64) {
        if value > 0.0 {
            *self.positive.entry(self.buckets.key(value)).or_default() += 1;
        } else if value < 0.0 {
            *self.negative.entry(self.buckets.key(-value)).or_default() += 1;
        } else {
            self.zero += 1;
        }
    }

    /// Number of users.
    pub fn count(&self) -> u64 {
        let all = self.positive.values().chain(self.negative.values());
        all.fold(self.zero, |sum, n| sum.saturating_add(*n))
    }

    /// The histogram of both groups of users together. Returns `None` on overflow, or if the bucket
    /// layouts differ.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        self.combine(other, u64::checked_add)
    }

    /// The exact histogram of the users that remain when `other` is removed. Returns `None` if `other`
    /// has more users in a bucket, or if the bucket layouts differ.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        self.combine(other, u64::checked_sub)
    }

    fn combine(&self, other: &Self, f: fn(u64, u64) -> Option<u64>) -> Option<Self> {
        if self.buckets != other.buckets {
            return None;
        }
        let sides = |a: &BTreeMap<i32, u64>, b: &BTreeMap<i32, u64>| {
            let mut sum = a.clone();
            for (key, n) in b {
                let slot = sum.entry(*key).or_default();
                *slot = f(*slot, *n)?;
            }
            sum.retain(|_, n| *n > 0);
            Some(sum)
        };
        Some(Self {
            buckets: self.buckets,
            zero: f(self.zero, other.zero)?,
            positive: sides(&self.positive, &other.positive)?,
            negative: sides(&self.negative, &other.negative)?,
        })
    }

    /// Buckets with their counts, by increasing value.
    fn in_order(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        let side = |key: i32, sign: f64| {
            let (inner, outer) = (
                self.buckets.upper_edge(key - 1),
                self.buckets.upper_edge(key),
            );
            let (a, b) = (sign * inner, sign * outer);
            Bucket {
                lower: a.min(b),
                value: sign * self.buckets.value(key),
                upper: a.max(b),
            }
        };
        let zero = Bucket {
            lower: 0.0,
            value: 0.0,
            upper: 0.0,
        };
        let negative = self
            .negative
            .iter()
            .rev()
            .map(move |(key, n)| (side(*key, -1.0), *n));
        let positive = self
            .positive
            .iter()
            .map(move |(key, n)| (side(*key, 1.0), *n));
        negative
            .chain(std::iter::once((zero, self.zero)))
            .chain(positive)
    }

    /// The first bucket at which the cumulative count exceeds `rank`.
    fn bucket_beyond(&self, rank: f64) -> Option<Bucket> {
        let mut seen = 0.0;
        let mut last = None;
        for (bucket, n) in self.in_order().filter(|(_, n)| *n > 0) {
            seen += n as f64;
            last = Some(bucket);
            if seen > rank {
                break;
            }
        }
        last
    }

    /// Quantile `q` (0 to 1), within the relative accuracy of the buckets.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if `q` is; [`MissingReason::NoUnits`] without users.
    pub fn quantile(&self, q: f64) -> Result<f64, MissingReason> {
        if !(0.0..=1.0).contains(&q) {
            return Err(MissingReason::OutOfRange("quantile"));
        }
        let n = self.count();
        let last = n.checked_sub(1).ok_or(MissingReason::NoUnits)?;
        self.bucket_beyond(q * last as f64)
            .map(|b| b.value)
            .ok_or(MissingReason::NoUnits)
    }

    /// Quantile `q` (strictly between 0 and 1) with its interval at 1 - alpha.
    ///
    /// The interval reaches to the outer edges of the buckets that contain its ranks
    /// ([`normal_ranks`]). It has no width where both are in the bucket of zero.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] if there are too few users for this quantile;
    /// [`MissingReason::NoUnits`] without users; [`MissingReason::OutOfRange`] if `q` is.
    pub fn quantile_estimate(
        &self,
        q: f64,
        alpha: Alpha,
    ) -> Result<QuantileEstimate, MissingReason> {
        let n = self.count();
        let (lower_rank, upper_rank) = normal_ranks(n, q, alpha)?;
        enough_for_quantile(n, q, alpha)?;
        let beyond = |rank: f64| self.bucket_beyond(rank).ok_or(MissingReason::NoUnits);
        let lower = beyond(lower_rank as f64 - 1.0)?;
        let upper = beyond(upper_rank as f64 - 1.0)?;
        let z =
            normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
        let centre = n as f64 * q;
        let half = z * (centre * (1.0 - q)).sqrt();
        let width = self.smooth_quantile(centre + half) - self.smooth_quantile(centre - half);
        let estimate = self.quantile(q)?;
        // The standard deviation of a value that is uniform within its bucket.
        let resolution = self.buckets.relative_accuracy * estimate.abs() / 3.0_f64.sqrt();
        Ok(QuantileEstimate {
            n,
            estimate,
            interval: Interval::between(lower.lower, upper.upper)?,
            in_one_bucket: lower.lower == upper.lower && lower.upper == upper.upper,
            smooth_estimate: self.smooth_quantile(centre),
            standard_error: (width / (2.0 * z)).max(resolution),
        })
    }

    /// The mid-quantile at `rank` (0 to n): linear interpolation between the middles of the non-empty
    /// buckets (Ma, Genton & Parzen 2011).
    fn smooth_quantile(&self, rank: f64) -> f64 {
        let mut seen = 0.0;
        let mut previous: Option<(f64, f64)> = None;
        for (bucket, n) in self.in_order().filter(|(_, n)| *n > 0) {
            let middle = seen + 0.5 * n as f64;
            if middle >= rank {
                return previous.map_or(bucket.value, |(at, value)| {
                    value + (bucket.value - value) * ((rank - at) / (middle - at))
                });
            }
            previous = Some((middle, bucket.value));
            seen += n as f64;
        }
        previous.map_or(0.0, |(_, value)| value)
    }
}

/// Checks that there are enough units for the interval of quantile `q`: n must exceed z² q/(1-q) and
/// z² (1-q)/q, so that the ranks of the interval stay inside the sample.
pub(crate) fn enough_for_quantile(n: u64, q: f64, alpha: Alpha) -> Result<(), MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let needed = z * z * (q / (1.0 - q)).max((1.0 - q) / q);
    if n as f64 > needed {
        Ok(())
    } else {
        Err(MissingReason::TooFewUnits {
            needed: needed.floor() as u64 + 1,
            seen: n,
        })
    }
}

/// A quantile of one arm with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileEstimate {
    /// Users in the arm.
    pub n: u64,
    /// The quantile, within the histogram's relative accuracy.
    pub estimate: f64,
    /// Interval of the quantile at 1 - alpha.
    pub interval: Interval,
    /// Whether one bucket contains the whole interval, because many users have the same value.
    pub in_one_bucket: bool,
    /// The quantile of a smoothed distribution, for comparing arms. The unsmoothed quantile of whole
    /// numbers jumps between neighbours, and a test of the jumps rejects in up to 45% of experiments
    /// without an effect.
    pub smooth_estimate: f64,
    /// Standard error of the smoothed quantile, at least the resolution of the buckets. It is zero if so many users
    /// have the value zero that the smoothed quantile does not vary.
    pub standard_error: f64,
}

impl QuantileEstimate {
    /// The smoothed quantile as the mean of a sample, as the input for differences and lifts.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two users.
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        let variance = finite(self.standard_error * self.standard_error * self.n as f64)?;
        Sample::new(self.n, self.smooth_estimate, variance)
    }
}
