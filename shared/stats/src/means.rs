//! Difference of means with unequal variances (Welch 1947), also against a margin.

use super::effect::{Effect, FixedTest};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::sample::Sample;

/// Treatment mean minus control mean with Welch's standard error and degrees of freedom.
///
/// None when neither arm varies.
pub fn difference(control: &Sample, treatment: &Sample) -> Result<Effect, MissingReason> {
    let variance = control.mean_variance() + treatment.mean_variance();
    let effect = Effect::new(
        treatment.mean_minus(control),
        variance.sqrt(),
        Some(welch_degrees_of_freedom(control, treatment)?),
        control.n().saturating_add(treatment.n()),
    )?;
    Ok(effect.with_constant_arm(control.variance() == 0.0 || treatment.variance() == 0.0))
}

/// Welch's t test of the difference of means against zero.
pub fn welch(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
    alternative: Alternative,
) -> Result<FixedTest, MissingReason> {
    difference(control, treatment)?.test(0.0, alpha, alternative)
}

/// Satterthwaite's degrees of freedom of a difference of two means (Welch 1947).
pub(crate) fn welch_degrees_of_freedom(
    control: &Sample,
    treatment: &Sample,
) -> Result<f64, MissingReason> {
    let (vc, vt) = (control.mean_variance(), treatment.mean_variance());
    let sum = vc + vt;
    if sum <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    // Shares instead of squared variances: those would overflow or vanish with the metric's unit.
    let (share_c, share_t) = (vc / sum, vt / sum);
    let inverse = share_c * share_c / (control.n() - 1) as f64
        + share_t * share_t / (treatment.n() - 1) as f64;
    Ok(1.0 / inverse)
}

/// Whether the treatment is worse than the control by less than a margin.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct NonInferiority {
    /// True when a loss of the whole margin is ruled out at level alpha.
    pub shown: bool,
    /// The test of "worse by the whole margin".
    pub test: FixedTest,
}

/// Tests that a guardrail metric does not get worse by `margin` (>= 0, in the effect's unit) or
/// more, one-sided at level alpha. `higher_is_better` says which way worse is.
pub fn non_inferiority(
    effect: &Effect,
    margin: f64,
    higher_is_better: bool,
    alpha: Alpha,
) -> Result<NonInferiority, MissingReason> {
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(MissingReason::OutOfRange("margin"));
    }
    let test = if higher_is_better {
        effect.test(-margin, alpha, Alternative::Greater)?
    } else {
        effect.test(margin, alpha, Alternative::Less)?
    };
    Ok(NonInferiority {
        shown: test.p_value.value() <= alpha.get(),
        test,
    })
}
