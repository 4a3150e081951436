//! Corrections for testing several metrics at once.
//!
//! - Holm (1979), for decisions: the probability of any false discovery is at most alpha.
//! - Benjamini & Hochberg (1995), for exploration: the expected share of false discoveries is at
//!   most alpha.
//! - e-BH (Wang & Ramdas 2022), for sequential results: the same under any dependence.
//!
//! Metrics without a p-value keep none, and the number of tests does not include them.

use super::level::Alpha;
use super::missing::MissingReason;
use super::p_value::PValue;

/// Holm's adjusted p-values, in the order of the input. A metric is significant if its adjusted
/// p-value is at most alpha.
pub fn holm(p_values: &[Option<PValue>]) -> Vec<Option<PValue>> {
    adjust(p_values, None, step_down).unwrap_or_default()
}

/// Holm's procedure with weights, which can give a primary metric a larger share of alpha.
///
/// `weights` holds one weight per p-value, at least 0, on any scale. A metric of weight 0 always has
/// the adjusted p-value 1.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if the number of weights differs, or a weight is negative or not
/// finite.
pub fn weighted_holm(
    p_values: &[Option<PValue>],
    weights: &[f64],
) -> Result<Vec<Option<PValue>>, MissingReason> {
    adjust(p_values, Some(weights), step_down)
}

/// Benjamini and Hochberg's adjusted p-values, in the order of the input. A metric is significant if
/// its adjusted p-value is at most alpha.
pub fn benjamini_hochberg(p_values: &[Option<PValue>]) -> Vec<Option<PValue>> {
    adjust(p_values, None, step_up).unwrap_or_default()
}

/// Benjamini and Hochberg's procedure with weights (Genovese, Roeder & Wasserman 2006).
///
/// # Errors
/// The same as for [`weighted_holm`].
pub fn weighted_benjamini_hochberg(
    p_values: &[Option<PValue>],
    weights: &[f64],
) -> Result<Vec<Option<PValue>>, MissingReason> {
    adjust(p_values, Some(weights), step_up)
}

/// A metric with a p-value: its index in the input, its share of all weights, ln p and
/// ln(p / share).
struct Member {
    index: usize,
    share: f64,
    ln_p: f64,
    ln_ratio: f64,
}

fn adjust(
    p_values: &[Option<PValue>],
    weights: Option<&[f64]>,
    step: fn(&[Member]) -> Vec<(usize, f64)>,
) -> Result<Vec<Option<PValue>>, MissingReason> {
    if weights.is_some_and(|w| {
        w.len() != p_values.len() || w.iter().any(|x| !(*x >= 0.0 && x.is_finite()))
    }) {
        return Err(MissingReason::OutOfRange("weights"));
    }
    let weight = |i: usize| weights.and_then(|w| w.get(i)).copied().unwrap_or(1.0);
    let present = || {
        p_values
            .iter()
            .enumerate()
            .filter_map(|(i, p)| p.map(|p| (i, p)))
    };
    let total: f64 = present().map(|(i, _)| weight(i)).sum();
    let mut members: Vec<Member> = present()
        .map(|(index, p)| {
            let share = if total > 0.0 {
                weight(index) / total
            } else {
                0.0
            };
            let ln_ratio = if share > 0.0 {
                p.ln() - share.ln()
            } else {
                f64::INFINITY
            };
            Member {
                index,
                share,
                ln_p: p.ln(),
                ln_ratio,
            }
        })
        .collect();
    members.sort_by(|a, b| {
        a.ln_ratio
            .total_cmp(&b.ln_ratio)
            .then(a.index.cmp(&b.index))
    });
    let mut adjusted = vec![None; p_values.len()];
    for (index, ln) in step(&members) {
        if let Some(slot) = adjusted.get_mut(index) {
            *slot = Some(PValue::from_ln(ln));
        }
    }
    Ok(adjusted)
}

/// Holm's step-down: starts with the smallest p-value and multiplies each by the total weight of
/// the p-values that are not smaller.
fn step_down(members: &[Member]) -> Vec<(usize, f64)> {
    let mut remaining: f64 = members.iter().map(|m| m.share).sum();
    let mut largest = f64::NEG_INFINITY;
    let equal = members
        .first()
        .is_some_and(|m| members.iter().all(|n| n.share == m.share));
    members
        .iter()
        .enumerate()
        .map(|(rank, member)| {
            let factor = if equal {
                ((members.len() - rank) as f64).ln()
            } else {
                (remaining / member.share).ln()
            };
            let ln = if member.share > 0.0 {
                member.ln_p + factor
            } else {
                0.0
            };
            remaining -= member.share;
            largest = largest.max(ln.min(0.0));
            (member.index, largest)
        })
        .collect()
}

/// Benjamini and Hochberg's step-up: starts with the largest p-value and divides each by its rank.
fn step_up(members: &[Member]) -> Vec<(usize, f64)> {
    let mut smallest = 0.0_f64;
    members
        .iter()
        .enumerate()
        .rev()
        .map(|(rank, member)| {
            smallest = smallest.min(member.ln_ratio - ((rank + 1) as f64).ln());
            (member.index, smallest)
        })
        .collect()
}

/// The e-BH procedure on natural logarithms of e-values: `true` for each significant metric, in the
/// order of the input.
///
/// It keeps the expected share of false discoveries at most alpha under any dependence between the
/// metrics.
pub fn e_benjamini_hochberg(ln_e_values: &[Option<f64>], alpha: Alpha) -> Vec<Option<bool>> {
    let mut sorted: Vec<f64> = ln_e_values.iter().flatten().copied().collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let m = sorted.len() as f64;
    let needed = |k: usize| (m / (k as f64 * alpha.get())).ln();
    let threshold = sorted
        .iter()
        .enumerate()
        .rev()
        .find(|(i, ln_e)| **ln_e >= needed(i + 1))
        .map(|(_, e)| *e);
    ln_e_values
        .iter()
        .map(|ln_e| ln_e.map(|ln_e| threshold.is_some_and(|threshold| ln_e >= threshold)))
        .collect()
}

/// The error level of intervals that cover all `metrics` true values at once with probability
/// 1 - alpha. These intervals belong to Holm's procedure.
pub fn simultaneous_level(alpha: Alpha, metrics: u32) -> Alpha {
    alpha.divided_by(metrics)
}

/// The error level of the intervals of the `selected` significant metrics among `metrics`, after
/// Benjamini and Hochberg's procedure (Benjamini & Yekutieli 2005).
///
/// The expected share of these intervals that miss the true value is at most alpha.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if the resulting level is.
pub fn false_coverage_level(
    alpha: Alpha,
    selected: u32,
    metrics: u32,
) -> Result<Alpha, MissingReason> {
    let share = f64::from(selected.max(1)) / f64::from(metrics.max(1));
    Alpha::new((alpha.get() * share.min(1.0)).max(1e-12))
}
