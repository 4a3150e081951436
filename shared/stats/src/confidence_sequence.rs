//! Sequential results, the default: the asymptotic confidence sequence.
//!
//! A look is one analysis of the experiment while it runs. A confidence sequence is a series of
//! intervals, one per look, which all cover the true effect together with probability 1 - alpha.
//!
//! The intervals follow from a normal mixture (Robbins 1970; Howard et al. 2021; Waudby-Smith et al.
//! 2021). They need no plan of the looks and no results of earlier looks. They are available for every
//! metric that has an effect and a standard error.

use serde::Serialize;

use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;
use super::proportion::Proportion;
use super::sample::Sample;

/// Minimum number of units per arm for a sequential result of a mean.
pub const MIN_UNITS_PER_ARM: u64 = 100;
/// Minimum number of conversions per arm, and of users without a conversion, for a sequential result
/// of a rate.
pub const MIN_CONVERSIONS_PER_ARM: u64 = 25;

/// Checks that both arms of a mean have [`MIN_UNITS_PER_ARM`] units.
///
/// # Errors
/// [`MissingReason::TooFewUnits`] if an arm has fewer.
pub fn enough_units(control: &Sample, treatment: &Sample) -> Result<(), MissingReason> {
    let seen = control.n().min(treatment.n());
    if seen >= MIN_UNITS_PER_ARM {
        Ok(())
    } else {
        Err(MissingReason::TooFewUnits {
            needed: MIN_UNITS_PER_ARM,
            seen,
        })
    }
}

/// Checks that both arms of a rate have [`MIN_CONVERSIONS_PER_ARM`] conversions and as many users
/// without a conversion.
///
/// # Errors
/// [`MissingReason::TooFewConversions`] if an arm has fewer of either.
pub fn enough_conversions(
    control: &Proportion,
    treatment: &Proportion,
) -> Result<(), MissingReason> {
    let rarer = |arm: &Proportion| arm.conversions().min(arm.misses());
    let seen = rarer(control).min(rarer(treatment));
    if seen >= MIN_CONVERSIONS_PER_ARM {
        Ok(())
    } else {
        Err(MissingReason::TooFewConversions {
            needed: MIN_CONVERSIONS_PER_ARM,
            seen,
        })
    }
}

/// A confidence sequence with its error level and tuning, which are fixed before the first look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConfidenceSequence {
    alpha: Alpha,
    rho_squared: f64,
}

/// The result of a confidence sequence at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SequentialResult {
    /// Treatment minus control, in the effect's unit.
    pub effect: f64,
    /// Half the width of the interval.
    pub half_width: f64,
    /// Interval that covers the true effect at all looks together with probability 1 - alpha.
    pub interval: Interval,
    /// Always-valid p-value: without an effect, the probability that it is ever at most alpha is at
    /// most alpha.
    pub p_value: PValue,
    /// Natural logarithm of the e-value, the evidence against the null hypothesis. E-values of
    /// independent experiments multiply. [`super::e_benjamini_hochberg`] takes these logarithms.
    pub ln_e_value: f64,
}

impl ConfidenceSequence {
    /// Creates a confidence sequence whose interval is tightest at `planned_units`, counted over both
    /// arms, at least 1. The number must not change during the experiment.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if `planned_units` is.
    pub fn new(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        if !(planned_units >= 1.0 && planned_units.is_finite()) {
            return Err(MissingReason::OutOfRange("planned_units"));
        }
        let l = -2.0 * alpha.get().ln();
        Self::with_rho_squared(alpha, (l + l.ln_1p()) / planned_units)
    }

    /// Creates a confidence sequence whose one-sided bounds at alpha are tightest at `planned_units`.
    ///
    /// # Errors
    /// The same as for [`ConfidenceSequence::new`].
    pub fn one_sided(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        let doubled = Alpha::new((2.0 * alpha.get()).min(0.999_999))?;
        Ok(Self {
            alpha,
            ..Self::new(doubled, planned_units)?
        })
    }

    /// Creates a confidence sequence with this variance of the mixture, on the scale of standardised
    /// units.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the variance is not positive and finite.
    pub fn with_rho_squared(alpha: Alpha, rho_squared: f64) -> Result<Self, MissingReason> {
        if !(rho_squared > 0.0 && rho_squared.is_finite()) {
            return Err(MissingReason::OutOfRange("rho_squared"));
        }
        Ok(Self { alpha, rho_squared })
    }

    /// The variance of the mixture on the scale of standardised units.
    pub fn rho_squared(&self) -> f64 {
        self.rho_squared
    }

    /// The error level over all looks together.
    pub fn alpha(&self) -> Alpha {
        self.alpha
    }

    /// The result at this look for the null hypothesis that the effect is zero.
    ///
    /// # Errors
    /// [`MissingReason::ZeroVariance`] if one arm does not vary; [`MissingReason::NoUnits`] without
    /// units; [`MissingReason::Overflow`] if a result is not finite.
    pub fn at(&self, effect: &Effect) -> Result<SequentialResult, MissingReason> {
        self.at_against(effect, 0.0)
    }

    /// The result at this look for the null hypothesis that the effect is `null_value`.
    ///
    /// # Errors
    /// The same as for [`ConfidenceSequence::at`].
    pub fn at_against(
        &self,
        effect: &Effect,
        null_value: f64,
    ) -> Result<SequentialResult, MissingReason> {
        effect.require_normal()?;
        let half_width = self.half_width(effect.standard_error(), effect.units() as f64)?;
        let growth = self.rho_squared * effect.units() as f64;
        let z = (effect.value() - null_value) / effect.standard_error();
        let ln_e_value = finite(0.5 * z * (growth / (growth + 1.0)) * z - 0.5 * growth.ln_1p())?;
        Ok(SequentialResult {
            effect: effect.value(),
            half_width,
            interval: Interval::around(effect.value(), half_width)?,
            p_value: PValue::from_ln(-ln_e_value),
            ln_e_value,
        })
    }

    /// Half the width of the interval for this standard error at this number of units of both arms.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if `units` is not positive; [`MissingReason::Overflow`] if the
    /// result is not finite.
    pub fn half_width(&self, standard_error: f64, units: f64) -> Result<f64, MissingReason> {
        let growth = self.growth(units)?;
        let ln_bound = 0.5 * growth.ln_1p() - self.alpha.get().ln();
        finite(standard_error * (2.0 * (1.0 + 1.0 / growth) * ln_bound).sqrt())
    }

    /// A lower and an upper bound. Each bound alone covers the true effect at all looks together with
    /// probability 1 - alpha.
    ///
    /// # Errors
    /// The same as for [`ConfidenceSequence::at`].
    pub fn one_sided_bounds(&self, effect: &Effect) -> Result<Interval, MissingReason> {
        effect.require_normal()?;
        Interval::around(
            effect.value(),
            self.one_sided_half_width(effect.standard_error(), effect.units() as f64)?,
        )
    }

    /// Distance between the effect and a one-sided bound, in the effect's unit.
    ///
    /// # Errors
    /// The same as for [`ConfidenceSequence::half_width`].
    pub fn one_sided_half_width(
        &self,
        standard_error: f64,
        units: f64,
    ) -> Result<f64, MissingReason> {
        let growth = self.growth(units)?;
        let ln_bound = ((growth + 1.0).sqrt() / (2.0 * self.alpha.get())).ln_1p();
        finite(standard_error * (2.0 * (1.0 + 1.0 / growth) * ln_bound).sqrt())
    }

    fn growth(&self, units: f64) -> Result<f64, MissingReason> {
        if units > 0.0 {
            finite(self.rho_squared * units)
        } else {
            Err(MissingReason::NoUnits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequential_result_needs_a_minimum_of_units_or_conversions() {
        let arm = |n, conversions| Proportion::new(n, conversions).unwrap();
        let few = MissingReason::TooFewConversions {
            needed: 25,
            seen: 24,
        };
        assert_eq!(
            enough_conversions(&arm(1_000, 24), &arm(1_000, 40)),
            Err(few)
        );
        assert_eq!(
            enough_conversions(&arm(1_000, 976), &arm(1_000, 500)),
            Err(few)
        );
        assert_eq!(
            enough_conversions(&arm(1_000, 25), &arm(1_000, 975)),
            Ok(())
        );
        let sample = |n| Sample::new(n, 1.0, 1.0).unwrap();
        assert!(enough_units(&sample(99), &sample(100)).is_err());
        assert_eq!(enough_units(&sample(100), &sample(100)), Ok(()));
    }

    #[test]
    fn at_the_planned_size_the_interval_is_55_percent_wider_than_a_fixed_interval() {
        let effect = Effect::new(0.0, 1.0, None, 10_000).unwrap();
        let sequential = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 10_000.0).unwrap();
        let ratio = sequential.at(&effect).unwrap().half_width / 1.959_964;
        assert!((ratio - 1.55).abs() < 0.01, "{ratio}");
    }
}
