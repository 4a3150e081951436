//! The mixture sequential probability ratio test (mSPRT), for comparison with other tools (Johari,
//! Koomen, Pekelis & Walsh 2017/2022).
//!
//! The confidence sequence uses the same mixture, tuned on the scale of z. The mSPRT is tuned on the
//! scale of the effect. A tuning value ten times too small gives it almost no power, so no report
//! offers it.

use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// The result of the mixture test at one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureTest {
    /// Natural logarithm of the mixture likelihood ratio.
    pub ln_likelihood_ratio: f64,
    /// min(1, 1 / likelihood ratio). The minimum over all looks so far is always valid.
    pub p_value: PValue,
    /// Interval that covers the true effect at all looks together with probability 1 - alpha.
    pub interval: Interval,
}

/// Tests the hypothesis that the effect is `null_value`, with the mixture N(0, `tau_squared`) in
/// squared units of the effect.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if `tau_squared` is not positive and finite;
/// [`MissingReason::Overflow`] if a result is not finite.
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
