//! Confidence intervals of quantiles from order statistics: the ranks that bracket a quantile of any
//! distribution.

use super::distributions::{binomial_cdf, normal_upper_quantile};
use super::level::Alpha;
use super::missing::MissingReason;

/// The coverage is computed up to this number of units.
const COVERAGE_UP_TO: u64 = 10_000_000;

/// The 1-based ranks that bracket a quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactRanks {
    /// Rank of the lower bound. `None` if the sample is too small.
    pub lower: Option<u64>,
    /// Rank of the upper bound. `None` if the sample is too small.
    pub upper: Option<u64>,
    /// Exact coverage of the interval, 0 to 1. `None` above 10,000,000 units.
    pub coverage: Option<f64>,
}

/// The exact binomial ranks of the interval at 1 - alpha for quantile `q` (strictly between 0 and 1)
/// of `n` units (Conover 1999).
///
/// # Errors
/// [`MissingReason::NoUnits`] without units; [`MissingReason::OutOfRange`] if `q` is.
pub fn exact_ranks(n: u64, q: f64, alpha: Alpha) -> Result<ExactRanks, MissingReason> {
    check(n, q)?;
    let tail = alpha.per_tail();
    let at_least = |k: u64| binomial_cdf(k, n, q) >= tail;
    // The upper tail is computed from the complementary count, because 1 - cdf cancels.
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

/// The smallest k in 0..=n at which a monotone property becomes true, or n if it never does.
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

/// The 1-based ranks n q ∓ z sqrt(n q (1 - q)), rounded outwards and clamped to 1..=n. The histogram
/// uses these ranks.
///
/// # Errors
/// The same as for [`exact_ranks`].
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

/// The definition of the quantile of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantileKind {
    /// Linear interpolation between neighbours (Hyndman & Fan type 7).
    Linear,
    /// The smallest value with at least a share q of the sample at or below it (type 1).
    InvertedCdf,
}

/// Quantile `q` (strictly between 0 and 1) of values in increasing order.
///
/// # Errors
/// The same as for [`exact_ranks`].
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
        // The factor corrects a product that exceeds a whole number only by rounding.
        QuantileKind::InvertedCdf => value(((n * q) * (1.0 - 1e-15)).ceil().max(1.0) - 1.0),
    })
}
