//! The mixture sequential probability ratio test, for comparison with tools that show it.
//!
//! Johari, Koomen, Pekelis & Walsh 2017/2022. The confidence sequence is the same mixture with the
//! tuning on the scale of z. Here it is on the scale of the effect, where a value ten times too
//! small finds nothing at all; so it is not offered as a setting.

use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// One look of the mixture test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureTest {
    /// ln of the mixture likelihood ratio.
    pub ln_likelihood_ratio: f64,
    /// min(1, 1 / likelihood ratio); keep the smallest over the looks so far.
    pub p_value: PValue,
    /// Interval that covers at all looks together with probability 1 - alpha.
    pub interval: Interval,
}

/// Tests "the effect is `null_value`" with the mixture N(0, `tau_squared`) on the effect's scale.
pub fn mixture_test(
    effect: &Effect,
    null_value: f64,
    tau_squared: f64,
    alpha: Alpha,
) -> Result<MixtureTest, MissingReason> {
    if !(tau_squared > 0.0 && tau_squared.is_finite()) {
        return Err(MissingReason::OutOfRange("tau_squared"));
    }
    let variance = effect.standard_error().powi(2);
    let growth = finite(tau_squared / variance)?;
    let ln_shrink = -growth.ln_1p();
    let z = (effect.value() - null_value) / effect.standard_error();
    let ln_likelihood_ratio = finite(0.5 * ln_shrink + 0.5 * z * (growth / (growth + 1.0)) * z)?;
    let bound = (1.0 + 1.0 / growth) * (-2.0 * alpha.get().ln() - ln_shrink);
    Ok(MixtureTest {
        ln_likelihood_ratio,
        p_value: PValue::from_ln(-ln_likelihood_ratio),
        interval: Interval::around(effect.value(), effect.standard_error() * bound.sqrt())?,
    })
}
