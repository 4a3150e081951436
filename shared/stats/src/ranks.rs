//! Intervals of a quantile from order statistics: which ranks bracket it, whatever the distribution.

use super::distributions::{binomial_cdf, normal_upper_quantile};
use super::level::Alpha;
use super::missing::MissingReason;

/// Above this many units the coverage is not worked out.
const COVERAGE_UP_TO: u64 = 10_000_000;

/// 1-based ranks that bracket a quantile; none on a side where the sample is too small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactRanks {
    /// Rank of the lower bound.
    pub lower: Option<u64>,
    /// Rank of the upper bound.
    pub upper: Option<u64>,
    /// True level of the interval; none above ten million units or without both bounds.
    pub coverage: Option<f64>,
}

/// The exact binomial ranks for quantile `q` of `n` units at 1 - alpha (Conover 1999).
pub fn exact_ranks(n: u64, q: f64, alpha: Alpha) -> Result<ExactRanks, MissingReason> {
    check(n, q)?;
    let tail = alpha.per_tail();
    let at_least = |k: u64| binomial_cdf(k, n, q) >= tail;
    // The tail above k by the other half of the distribution: 1 - cdf would lose it.
    let at_most = |k: u64| k >= n || binomial_cdf(n - k - 1, n, 1.0 - q) <= tail;
    let lower = smallest(n, at_least);
    let upper = smallest(n, at_most) + 1;
    let coverage = (n <= COVERAGE_UP_TO).then(|| {
        let below = if lower == 0 {
            0.0
        } else {
            binomial_cdf(lower - 1, n, q)
        };
        binomial_cdf(upper - 1, n, q) - below
    });
    Ok(ExactRanks {
        lower: (lower > 0).then_some(lower),
        upper: (upper <= n).then_some(upper),
        coverage,
    })
}

/// The smallest k in 0..=n for which a property, once true, stays true; n if it never is.
fn smallest(n: u64, property: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if property(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// 1-based ranks n q -/+ z sqrt(n q (1 - q)), rounded outwards and kept within 1..=n: what a
/// histogram uses.
pub fn normal_ranks(n: u64, q: f64, alpha: Alpha) -> Result<(u64, u64), MissingReason> {
    check(n, q)?;
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let centre = n as f64 * q;
    let half = z * (centre * (1.0 - q)).sqrt();
    let rank = |x: f64| (x.max(1.0) as u64).clamp(1, n);
    Ok((rank((centre - half).floor()), rank((centre + half).ceil())))
}

fn check(n: u64, q: f64) -> Result<(), MissingReason> {
    if n == 0 {
        return Err(MissingReason::NoUnits);
    }
    if q > 0.0 && q < 1.0 {
        Ok(())
    } else {
        Err(MissingReason::OutOfRange("quantile"))
    }
}

/// How the quantile of a sorted sample is read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantileKind {
    /// Between neighbours (Hyndman & Fan type 7).
    Linear,
    /// The smallest value that at least a share q does not exceed (type 1).
    InvertedCdf,
}

/// Quantile `q` of values in rising order.
pub fn sorted_quantile(sorted: &[f64], q: f64, kind: QuantileKind) -> Result<f64, MissingReason> {
    check(sorted.len() as u64, q)?;
    let n = sorted.len() as f64;
    let value = |i: f64| {
        sorted
            .get(i as usize)
            .or(sorted.last())
            .copied()
            .unwrap_or(0.0)
    };
    Ok(match kind {
        QuantileKind::Linear => {
            let position = (n - 1.0) * q;
            let (low, share) = (position.floor(), position.fract());
            value(low) + share * (value(low + 1.0) - value(low))
        }
        // The product may exceed a whole number by rounding alone.
        QuantileKind::InvertedCdf => value(((n * q) * (1.0 - 1e-15)).ceil().max(1.0) - 1.0),
    })
}
