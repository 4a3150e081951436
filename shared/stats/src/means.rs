//! Difference of two means with unequal variances (Welch 1947), and the non-inferiority test.

use super::effect::{Effect, FixedTest};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::sample::Sample;

/// Treatment mean minus control mean, in metric units, with Welch's standard error and degrees of
/// freedom.
///
/// # Errors
/// [`MissingReason::ZeroVariance`] if neither arm varies; [`MissingReason::Overflow`] if a result is
/// not finite.
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

/// Welch's t test of the hypothesis that the difference of means is zero.
///
/// # Errors
/// The same as for [`difference`].
pub fn welch(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
    alternative: Alternative,
) -> Result<FixedTest, MissingReason> {
    difference(control, treatment)?.test(0.0, alpha, alternative)
}

/// How many times the standard error of a difference is larger if both arms have the variance of both
/// together, at least 1. Sequential results of means use the larger of both standard errors.
///
/// Without an effect, both arms have the same variance. If an arm is small or has few events, its own
/// variance is small whenever its mean is small. Welch's standard error is then too small: with 1% buyers
/// and a 90 : 10 split, a confidence sequence with 500 looks rejects in 21% of experiments without an
/// effect. With the larger of both, it rejects in 3%. With equal arms, both are equal.
pub fn pooled_error_factor(control: &Sample, treatment: &Sample) -> f64 {
    let (n_c, n_t) = (control.n() as f64, treatment.n() as f64);
    let deviations = (n_c - 1.0) * control.variance() + (n_t - 1.0) * treatment.variance();
    let pooled = deviations / (n_c + n_t - 2.0) * (1.0 / n_c + 1.0 / n_t);
    let own = control.mean_variance() + treatment.mean_variance();
    let factor = (pooled / own).sqrt();
    // Rounding errors of equal variances are no difference.
    if factor.is_finite() && factor > 1.0 + 1e-9 {
        factor
    } else {
        1.0
    }
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
    // Squared variances overflow or underflow for some units of the metric; shares do not.
    let (share_c, share_t) = (vc / sum, vt / sum);
    let inverse = share_c * share_c / (control.n() - 1) as f64
        + share_t * share_t / (treatment.n() - 1) as f64;
    Ok(1.0 / inverse)
}

/// The result of the non-inferiority test: whether the treatment is worse than the control by less
/// than a margin.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct NonInferiority {
    /// Whether non-inferiority is shown: the p-value is at most alpha.
    pub shown: bool,
    /// The one-sided test of the hypothesis that the treatment is worse by the whole margin.
    pub test: FixedTest,
}

/// Tests that a guardrail metric is not worse by `margin` or more, one-sided at level alpha.
///
/// The margin is at least 0, in the effect's unit. If `higher_is_better` is `false`, a positive effect
/// is worse.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if the margin is negative or not finite;
/// [`MissingReason::Overflow`] if a result is not finite.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_one_for_equal_arms_and_large_if_the_smaller_arm_varies_less() {
        let arm = |n, variance| Sample::new(n, 1.0, variance).unwrap();
        assert_eq!(pooled_error_factor(&arm(500, 3.0), &arm(500, 8.0)), 1.0);
        assert_eq!(pooled_error_factor(&arm(900, 2.0), &arm(100, 9.0)), 1.0);
        let factor = pooled_error_factor(&arm(901, 9.0), &arm(101, 1.0));
        // The pooled variance is 8.2 with 1,000 degrees of freedom.
        let ratio: f64 = 8.2 * (1.0 / 901.0 + 1.0 / 101.0) / (9.0 / 901.0 + 1.0 / 101.0);
        let expected = ratio.sqrt();
        assert!((factor - expected).abs() < 1e-12, "{factor}");
    }
}
