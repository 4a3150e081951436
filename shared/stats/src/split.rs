//! Sample ratio mismatch: did every arm get the share of units that it was promised?
//!
//! The chi-square test answers once; the sequential test may be asked every minute and is what
//! alarms use.

use serde::Serialize;

use super::distributions::{chi_squared_ln_upper_tail, ln_gamma};
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// Result of the chi-square test of the split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitTest {
    /// Pearson's statistic over the arms with a positive weight.
    pub chi_squared: f64,
    /// Arms with a positive weight, less one.
    pub degrees_of_freedom: u32,
    /// Below 0.001 something is wrong with the assignment (Fabijan et al. 2019).
    pub p_value: PValue,
    /// Units that each arm should have; 0 for arms without weight, which are left out.
    pub expected_counts: Vec<f64>,
}

/// Pearson's chi-square test of counts against weights (any positive scale).
///
/// When the weights changed on the way, use [`chi_squared_against_expected`].
pub fn split_test(counts: &[u64], weights: &[f64]) -> Result<SplitTest, MissingReason> {
    let shares = shares(counts.len(), weights)?;
    let total: f64 = counts
        .iter()
        .zip(&shares)
        .filter(|(_, s)| **s > 0.0)
        .map(|(n, _)| *n as f64)
        .sum();
    let expected: Vec<f64> = shares.iter().map(|share| share * total).collect();
    chi_squared_against_expected(counts, &expected)
}

/// The same test against expected counts, summed by the caller over periods of equal weights.
///
/// Arms that expect nobody are left out. None without units or with fewer than two arms.
pub fn chi_squared_against_expected(
    counts: &[u64],
    expected: &[f64],
) -> Result<SplitTest, MissingReason> {
    if counts.len() != expected.len() || expected.iter().any(|e| !(*e >= 0.0 && e.is_finite())) {
        return Err(MissingReason::OutOfRange("expected"));
    }
    let arms = || counts.iter().zip(expected).filter(|(_, e)| **e > 0.0);
    if arms().all(|(n, _)| *n == 0) {
        return Err(MissingReason::NoUnits);
    }
    let seen = arms().count();
    if seen < 2 {
        return Err(MissingReason::TooFewArms {
            needed: 2,
            seen: seen as u64,
        });
    }
    let chi_squared = finite(arms().map(|(n, e)| (*n as f64 - e).powi(2) / e).sum())?;
    let degrees_of_freedom =
        u32::try_from(seen - 1).map_err(|_| MissingReason::OutOfRange("arms"))?;
    Ok(SplitTest {
        chi_squared,
        degrees_of_freedom,
        p_value: PValue::from_ln(chi_squared_ln_upper_tail(chi_squared, degrees_of_freedom)),
        expected_counts: expected.to_vec(),
    })
}

/// The sequential test of the split (Lindon & Malek 2022), safe under continuous watching.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialSplit {
    shares: Vec<f64>,
    concentration: f64,
}

/// One look of the sequential split test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SplitEvidence {
    /// ln of how much better "the split is wrong" predicts the counts than "it is right".
    pub ln_bayes_factor: f64,
    /// min(1, 1 / Bayes factor); keep the smallest over the looks so far.
    pub p_value: PValue,
}

impl SequentialSplit {
    /// Concentration that detects mismatches of a few per cent soon.
    pub const DEFAULT_CONCENTRATION: f64 = 1_000.0;

    /// For arms with these weights (arms of weight 0 are left out). A larger concentration is more
    /// sensitive to small mismatches and slower for large ones; 100 to 10,000 is sensible.
    pub fn new(weights: &[f64], concentration: f64) -> Result<Self, MissingReason> {
        if !(concentration > 0.0 && concentration.is_finite()) {
            return Err(MissingReason::OutOfRange("concentration"));
        }
        Ok(Self {
            shares: shares(weights.len(), weights)?,
            concentration,
        })
    }

    /// The evidence in these cumulative counts, one per arm.
    pub fn evidence(&self, counts: &[u64]) -> Result<SplitEvidence, MissingReason> {
        if counts.len() != self.shares.len() {
            return Err(MissingReason::OutOfRange("counts"));
        }
        let k = self.concentration;
        let mut total = 0.0;
        let mut sum = 0.0;
        for (n, share) in counts.iter().zip(&self.shares).filter(|(_, s)| **s > 0.0) {
            let n = *n as f64;
            total += n;
            sum += ln_rising(k * share, n) - n * share.ln();
        }
        let ln_bayes_factor = finite(sum - ln_rising(k, total))?;
        Ok(SplitEvidence {
            ln_bayes_factor,
            p_value: PValue::from_ln(-ln_bayes_factor),
        })
    }
}

/// ln Γ(a + n) - ln Γ(a).
fn ln_rising(a: f64, n: f64) -> f64 {
    ln_gamma(a + n) - ln_gamma(a)
}

/// Weights scaled to add up to 1; none when fewer than two are positive.
fn shares(arms: usize, weights: &[f64]) -> Result<Vec<f64>, MissingReason> {
    if arms != weights.len() || weights.iter().any(|w| !(*w >= 0.0 && w.is_finite())) {
        return Err(MissingReason::OutOfRange("weights"));
    }
    let total: f64 = finite(weights.iter().sum())?;
    let seen = weights.iter().filter(|w| **w > 0.0).count();
    if seen < 2 {
        return Err(MissingReason::TooFewArms {
            needed: 2,
            seen: seen as u64,
        });
    }
    Ok(weights.iter().map(|w| w / total).collect())
}
