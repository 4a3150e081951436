//! Results that may be looked at all the time: the asymptotic confidence sequence, the default.
//!
//! A normal mixture (Robbins 1970; Howard et al. 2021; Waudby-Smith et al. 2021) turns the sums of
//! the moment into an interval that covers the truth at *every* look together. It needs no plan of
//! looks and no memory, and works for every metric that has an effect and a standard error.

use serde::Serialize;

use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;
use super::proportion::Proportion;
use super::sample::Sample;

/// Units per arm below which no sequential verdict is shown for a mean.
pub const MIN_UNITS_PER_ARM: u64 = 100;
/// Conversions per arm below which no sequential verdict is shown for a rate.
pub const MIN_CONVERSIONS_PER_ARM: u64 = 25;

/// Whether both arms of a mean have the units that a sequential verdict needs.
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

/// Whether both arms of a rate have the conversions that a sequential verdict needs. Near 100 % it
/// is the users who did not convert that are few.
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

/// A confidence sequence with its tuning, fixed before the first look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConfidenceSequence {
    alpha: Alpha,
    rho_squared: f64,
}

/// What may be said at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SequentialResult {
    /// Treatment minus control.
    pub effect: f64,
    /// Half the width of the interval.
    pub half_width: f64,
    /// Interval that covers the truth at all looks together with probability 1 - alpha.
    pub interval: Interval,
    /// At most alpha at any look with probability alpha, if there is no effect.
    pub p_value: PValue,
    /// ln of the e-value: evidence against "no effect", which multiplies over independent
    /// experiments and goes into [`super::e_benjamini_hochberg`].
    pub ln_e_value: f64,
}

impl ConfidenceSequence {
    /// Tuned to be tightest at `planned_units` (both arms together). Never change it during a run.
    pub fn new(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        if !(planned_units >= 1.0 && planned_units.is_finite()) {
            return Err(MissingReason::OutOfRange("planned_units"));
        }
        let l = -2.0 * alpha.get().ln();
        Self::with_rho_squared(alpha, (l + l.ln_1p()) / planned_units)
    }

    /// The same for one-sided bounds at alpha.
    pub fn one_sided(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        let doubled = Alpha::new((2.0 * alpha.get()).min(0.999_999))?;
        Ok(Self {
            alpha,
            ..Self::new(doubled, planned_units)?
        })
    }

    /// With the mixture's variance on the scale of standardised units given directly.
    pub fn with_rho_squared(alpha: Alpha, rho_squared: f64) -> Result<Self, MissingReason> {
        if !(rho_squared > 0.0 && rho_squared.is_finite()) {
            return Err(MissingReason::OutOfRange("rho_squared"));
        }
        Ok(Self { alpha, rho_squared })
    }

    /// The mixture's variance on the scale of standardised units.
    pub fn rho_squared(&self) -> f64 {
        self.rho_squared
    }

    /// The error level over all looks.
    pub fn alpha(&self) -> Alpha {
        self.alpha
    }

    /// The result at this look, against "the effect is zero".
    pub fn at(&self, effect: &Effect) -> Result<SequentialResult, MissingReason> {
        self.at_against(effect, 0.0)
    }

    /// The result at this look, against "the effect is `null_value`".
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

    /// Half the interval's width for a standard error at so many units of both arms.
    pub fn half_width(&self, standard_error: f64, units: f64) -> Result<f64, MissingReason> {
        let growth = self.growth(units)?;
        let ln_bound = 0.5 * growth.ln_1p() - self.alpha.get().ln();
        finite(standard_error * (2.0 * (1.0 + 1.0 / growth) * ln_bound).sqrt())
    }

    /// A lower and an upper bound, each covering at all looks with probability 1 - alpha alone.
    pub fn one_sided_bounds(&self, effect: &Effect) -> Result<Interval, MissingReason> {
        effect.require_normal()?;
        Interval::around(
            effect.value(),
            self.one_sided_half_width(effect.standard_error(), effect.units() as f64)?,
        )
    }

    /// Distance between the effect and a one-sided bound.
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
    fn no_verdict_is_shown_before_there_is_enough_to_go_by() {
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
    fn at_the_planned_size_the_interval_is_half_as_wide_again_as_a_fixed_one() {
        let effect = Effect::new(0.0, 1.0, None, 10_000).unwrap();
        let sequential = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 10_000.0).unwrap();
        let ratio = sequential.at(&effect).unwrap().half_width / 1.959_964;
        assert!((ratio - 1.55).abs() < 0.01, "{ratio}");
    }
}
