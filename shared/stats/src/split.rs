//! Tests for sample ratio mismatch: whether each arm has its expected share of the units.
//!
//! The chi-square test is valid for one look. The sequential test is valid at all looks together, so
//! alarms use it.

use serde::Serialize;

use super::distributions::{chi_squared_ln_upper_tail, ln_gamma};
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// Result of the chi-square test of the sample ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitTest {
    /// Pearson's statistic over the arms with a positive weight.
    pub chi_squared: f64,
    /// Number of arms with a positive weight, minus one.
    pub degrees_of_freedom: u32,
    /// A value below 0.001 indicates a sample ratio mismatch (Fabijan et al. 2019).
    pub p_value: PValue,
    /// Expected units of each arm. It is 0 for arms of weight 0, which the test ignores.
    pub expected_counts: Vec<f64>,
}

/// Pearson's chi-square test of the units per arm against the weights, on any positive scale.
///
/// If the weights changed during the experiment, use [`chi_squared_against_expected`].
///
/// # Errors
/// The same as for [`chi_squared_against_expected`]; [`MissingReason::OutOfRange`] if the number of
/// weights differs, or a weight is negative or not finite.
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

/// The same test against expected counts, which the caller sums over the phases of the experiment.
///
/// The test ignores arms whose expected count is 0.
///
/// # Errors
/// [`MissingReason::NoUnits`] without units; [`MissingReason::TooFewArms`] with fewer than two arms;
/// [`MissingReason::OutOfRange`] if the number of expected counts differs, or one is negative or not
/// finite.
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

/// The sequential test of the sample ratio (Lindon & Malek 2022), which is always valid.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialSplit {
    shares: Vec<f64>,
    concentration: f64,
}

/// The result of the sequential sample ratio test at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SplitEvidence {
    /// Natural logarithm of the Bayes factor of a mismatch against the expected shares.
    pub ln_bayes_factor: f64,
    /// min(1, 1 / Bayes factor). The minimum over all looks so far is always valid.
    pub p_value: PValue,
}

impl SequentialSplit {
    /// The default concentration, which detects mismatches of a few per cent early.
    pub const DEFAULT_CONCENTRATION: f64 = 1_000.0;

    /// The test for arms with these weights, on any positive scale. It ignores arms of weight 0.
    ///
    /// `concentration` is that of the Dirichlet prior, above 0; values from 100 to 10,000 are
    /// sensible. A larger value detects small mismatches earlier and large ones later.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the concentration or a weight is;
    /// [`MissingReason::TooFewArms`] with fewer than two positive weights.
    pub fn new(weights: &[f64], concentration: f64) -> Result<Self, MissingReason> {
        if !(concentration > 0.0 && concentration.is_finite()) {
            return Err(MissingReason::OutOfRange("concentration"));
        }
        Ok(Self {
            shares: shares(weights.len(), weights)?,
            concentration,
        })
    }

    /// The evidence of these cumulative units, one count per arm.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the number of counts differs from the number of arms.
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

/// The weights scaled to a sum of 1. At least two must be positive.
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
