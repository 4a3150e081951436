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

/// Weight of the early part of [`ConfidenceSequence::with_early_part`].
const EARLY_WEIGHT: f64 = 0.02;
/// Number of units for which the early part is tightest.
const EARLY_UNITS: f64 = 10_000.0;
/// Number of units of both arms at which [`ConfidenceSequence::with_early_part`] compares the bound with
/// [`EARLY_STANDARD_ERRORS`].
const FIRST_UNITS: f64 = 2.0 * MIN_UNITS_PER_ARM as f64;
/// A difference of this many standard errors is significant from the minimum of units on.
const EARLY_STANDARD_ERRORS: f64 = 9.5;

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
    /// The variance of the mixture of the early part, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    early_rho_squared: Option<f64>,
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
        Ok(Self {
            alpha,
            rho_squared,
            early_rho_squared: None,
        })
    }

    /// The sequence with a second part that is tightest early, if the first part alone finds no large
    /// effect early: if a difference of 9.5 standard errors is not significant at 100 units per arm.
    ///
    /// A sequence that is tuned to a million units needs more than 50 standard errors at 200 units. The
    /// early part has 2% of alpha, which widens the interval at the planned number of units by less
    /// than 0.5%. It is tightest at 10,000 units. An interval of the combined sequence is the
    /// intersection of both intervals, at 98% and 2% of alpha. By the union bound it is valid.
    #[must_use]
    pub fn with_early_part(self) -> Self {
        let needs_more = self
            .half_width(1.0, FIRST_UNITS)
            .is_ok_and(|bound| bound > EARLY_STANDARD_ERRORS);
        if !needs_more {
            return self;
        }
        let l = -2.0 * (EARLY_WEIGHT * self.alpha.get()).ln();
        Self {
            early_rho_squared: Some((l + l.ln_1p()) / EARLY_UNITS),
            ..self
        }
    }

    /// The parts of the sequence: the variance of each mixture, and its share of alpha.
    fn parts(&self) -> impl Iterator<Item = (f64, f64)> + use<> {
        let share = if self.early_rho_squared.is_some() {
            1.0 - EARLY_WEIGHT
        } else {
            1.0
        };
        let early = self.early_rho_squared.map(|rho| (rho, EARLY_WEIGHT));
        std::iter::once((self.rho_squared, share)).chain(early)
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
    /// [`MissingReason::OneArmConstant`] if one arm does not vary; [`MissingReason::NoUnits`] without
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
        let z = (effect.value() - null_value) / effect.standard_error();
        let units = effect.units() as f64;
        // The larger of two weighted e-values is at most their sum, which is an e-value.
        let ln_e_value = self
            .parts()
            .fold(f64::NEG_INFINITY, |largest, (rho, share)| {
                let growth = rho * units;
                let own = 0.5 * z * (growth / (growth + 1.0)) * z - 0.5 * growth.ln_1p();
                largest.max(own + share.ln())
            });
        let ln_e_value = finite(ln_e_value)?;
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
        let ln_bound =
            |growth: f64, share: f64| 0.5 * growth.ln_1p() - (share * self.alpha.get()).ln();
        self.narrowest(standard_error, units, ln_bound)
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
        let ln_bound = |growth: f64, share: f64| {
            ((growth + 1.0).sqrt() / (2.0 * share * self.alpha.get())).ln_1p()
        };
        self.narrowest(standard_error, units, ln_bound)
    }

    /// The half width of the part with the narrowest interval. `ln_bound` is the logarithm of the bound
    /// for a growth and a share of alpha.
    fn narrowest(
        &self,
        standard_error: f64,
        units: f64,
        ln_bound: impl Fn(f64, f64) -> f64,
    ) -> Result<f64, MissingReason> {
        if units <= 0.0 || units.is_nan() {
            return Err(MissingReason::NoUnits);
        }
        let mut narrowest = f64::INFINITY;
        for (rho, share) in self.parts() {
            let growth = finite(rho * units)?;
            let own = (2.0 * (1.0 + 1.0 / growth) * ln_bound(growth, share)).sqrt();
            narrowest = narrowest.min(own);
        }
        finite(standard_error * narrowest)
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
    #[test]
    fn ten_standard_errors_are_significant_at_100_units_per_arm_for_every_plan() {
        let effect = Effect::new(10.0, 1.0, None, 200).unwrap();
        for alpha in [0.1, 0.05, 0.01, 1e-3, 1e-6] {
            let alpha = Alpha::new(alpha).unwrap();
            for planned in [2.0, 1e3, 2e4, 1e6, 1e12] {
                let sequence = ConfidenceSequence::new(alpha, planned).unwrap();
                let result = sequence.with_early_part().at(&effect).unwrap();
                assert!(result.p_value.value() <= alpha.get(), "{alpha:?} {planned}");
                assert!(result.interval.excludes_zero(), "{alpha:?} {planned}");
            }
        }
        let long = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 1e6).unwrap();
        assert!(long.at(&effect).unwrap().p_value.value() > 0.5);
    }

    #[test]
    fn the_early_part_widens_the_interval_at_the_planned_size_by_less_than_half_a_percent() {
        for alpha in [0.1, 0.05, 0.001] {
            let long = ConfidenceSequence::new(Alpha::new(alpha).unwrap(), 1e6).unwrap();
            let plain = long.half_width(1.0, 1e6).unwrap();
            let ratio = long.with_early_part().half_width(1.0, 1e6).unwrap() / plain;
            assert!((1.0..1.005).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn the_default_tuning_needs_no_early_part() {
        let default = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 20_000.0).unwrap();
        assert_eq!(default.with_early_part(), default);
    }

    #[test]
    fn the_interval_with_an_early_part_excludes_zero_exactly_if_the_p_value_is_at_most_alpha() {
        let sequence = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 1e6)
            .unwrap()
            .with_early_part();
        for units in [200, 3_000, 50_000, 2_000_000] {
            for tenths in 0..200 {
                let effect = Effect::new(f64::from(tenths) / 10.0, 1.0, None, units).unwrap();
                let result = sequence.at(&effect).unwrap();
                assert_eq!(
                    result.p_value.value() <= 0.05,
                    result.interval.excludes_zero(),
                    "{units} {tenths}"
                );
            }
        }
    }
}
