//! Heterogeneity of the effect between subgroups: Cochran's Q test (1954).
//!
//! A subgroup is reported as different only if Q is significant and the subgroup's own p-value is
//! significant after Holm's correction.

use serde::Serialize;

use super::distributions::chi_squared_ln_upper_tail;
use super::effect::{Effect, p_value};
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};
use super::multiplicity::holm;
use super::p_value::PValue;

/// The p-value of Q up to which subgroups count as different.
pub const HETEROGENEITY_LEVEL: f64 = 0.01;

/// The pooled effect of all subgroups, and the deviations of the subgroups from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heterogeneity {
    /// Mean effect of all subgroups, weighted by precision.
    pub pooled_effect: f64,
    /// Standard error of the pooled effect.
    pub pooled_standard_error: f64,
    /// Cochran's Q: the sum of the squared deviations from the pooled effect, each in standard errors.
    pub q: f64,
    /// Number of subgroups minus one.
    pub degrees_of_freedom: u32,
    /// P-value of Q under the chi-square distribution.
    pub p_value: PValue,
    /// I²: the share of the variation between subgroups that is not random, 0 to 1.
    pub i_squared: f64,
    /// One entry per subgroup, in the order of the input.
    pub subgroups: Vec<SubgroupDeviation>,
}

/// The deviation of one subgroup from the pooled effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SubgroupDeviation {
    /// Standardised difference between this subgroup and all others. It is 0 if this subgroup has all
    /// the precision.
    pub z: f64,
    /// Two-sided p-value of this subgroup, without a correction.
    pub p_value: PValue,
    /// P-value after Holm's correction for the number of subgroups.
    pub adjusted_p_value: PValue,
}

impl Heterogeneity {
    /// The indices of the subgroups that count as different: their adjusted p-value is at most alpha,
    /// and the p-value of Q is at most [`HETEROGENEITY_LEVEL`].
    pub fn different_subgroups(&self, alpha: Alpha) -> Vec<usize> {
        if self.p_value.value() > HETEROGENEITY_LEVEL {
            return Vec::new();
        }
        let is_different = |s: &SubgroupDeviation| s.adjusted_p_value.value() <= alpha.get();
        self.subgroups
            .iter()
            .enumerate()
            .filter(|(_, s)| is_different(s))
            .map(|(i, _)| i)
            .collect()
    }
}

/// Tests whether the effects of disjoint subgroups differ.
///
/// # Errors
/// [`MissingReason::TooFewArms`] with fewer than two subgroups; [`MissingReason::Overflow`] if a
/// result is not finite.
pub fn heterogeneity(effects: &[Effect]) -> Result<Heterogeneity, MissingReason> {
    if effects.len() < 2 {
        return Err(MissingReason::TooFewArms {
            needed: 2,
            seen: effects.len() as u64,
        });
    }
    // Relative to the smallest standard error, all weights are within (0, 1].
    let unit = effects
        .iter()
        .map(Effect::standard_error)
        .fold(f64::INFINITY, f64::min);
    let weight = |effect: &Effect| (unit / effect.standard_error()).powi(2);
    let total: f64 = effects.iter().map(weight).sum();
    let reference = effects.first().map_or(0.0, Effect::value);
    let shift: f64 = effects
        .iter()
        .map(|e| weight(e) / total * (e.value() - reference))
        .sum();
    let pooled_effect = finite(reference + shift)?;
    let deviation = |effect: &Effect| (effect.value() - pooled_effect) / effect.standard_error();
    let q = finite(effects.iter().map(|e| deviation(e).powi(2)).sum())?;
    let degrees_of_freedom =
        u32::try_from(effects.len() - 1).map_err(|_| MissingReason::OutOfRange("effects"))?;

    let zs: Vec<f64> = effects
        .iter()
        .map(|effect| {
            let others = 1.0 - weight(effect) / total;
            if others > 1e-12 {
                deviation(effect) / others.sqrt()
            } else {
                0.0
            }
        })
        .collect();
    let p_values: Vec<Option<PValue>> = zs
        .iter()
        .map(|z| Some(p_value(*z, None, Alternative::TwoSided)))
        .collect();
    let subgroups = zs
        .iter()
        .zip(
            p_values
                .iter()
                .flatten()
                .zip(holm(&p_values).into_iter().flatten()),
        )
        .map(|(z, (p_value, adjusted_p_value))| SubgroupDeviation {
            z: *z,
            p_value: *p_value,
            adjusted_p_value,
        })
        .collect();
    Ok(Heterogeneity {
        pooled_effect,
        pooled_standard_error: unit / total.sqrt(),
        q,
        degrees_of_freedom,
        p_value: PValue::from_ln(chi_squared_ln_upper_tail(q, degrees_of_freedom)),
        i_squared: if q > 0.0 {
            (1.0 - f64::from(degrees_of_freedom) / q).max(0.0)
        } else {
            0.0
        },
        subgroups,
    })
}
