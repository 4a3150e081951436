//! The sample size that an experiment needs to detect an effect of a given size.

use super::confidence_sequence::ConfidenceSequence;
use super::distributions::normal_upper_quantile;
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};
use super::power::{RateFormula, Rates, critical, power_of_means_t, tail_beyond};
use super::root::rising_root;

/// The error level, the power and the allocation of a planned experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Error level. With several treatments, divide it by their number.
    pub alpha: Alpha,
    /// Probability of detecting the effect, above alpha and below 1. 0.8 is usual.
    pub power: f64,
    /// Treatment units per control unit, above 0.
    pub ratio: f64,
    /// `true` for a one-sided test in the direction of the effect, `false` for a two-sided test.
    pub one_sided: bool,
}

impl Goal {
    /// 80% power of a two-sided test at this error level, with arms of equal size.
    pub fn usual(alpha: Alpha) -> Self {
        Self {
            alpha,
            power: 0.8,
            ratio: 1.0,
            one_sided: false,
        }
    }

    fn alternative(&self) -> Alternative {
        if self.one_sided {
            Alternative::Greater
        } else {
            Alternative::TwoSided
        }
    }

    /// The effect that is detected with the target power, in standard errors: the normal quantile
    /// of alpha plus that of the power.
    pub(crate) fn z_sum(&self) -> Result<f64, MissingReason> {
        Ok(self.z_alpha()? + self.z_power()?)
    }

    fn z_alpha(&self) -> Result<f64, MissingReason> {
        critical(self.alpha, self.alternative())
    }

    fn z_power(&self) -> Result<f64, MissingReason> {
        self.check()?;
        normal_upper_quantile(1.0 - self.power).ok_or(MissingReason::OutOfRange("power"))
    }

    fn check(&self) -> Result<(), MissingReason> {
        if !(self.ratio > 0.0 && self.ratio.is_finite()) {
            return Err(MissingReason::OutOfRange("ratio"));
        }
        if !(self.power > self.alpha.get() && self.power < 1.0) {
            return Err(MissingReason::OutOfRange("power"));
        }
        Ok(())
    }
}

/// The number of units that each arm needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleSize {
    /// Control units, not rounded.
    pub control_exact: f64,
    /// Treatment units, not rounded.
    pub treatment_exact: f64,
}

impl SampleSize {
    fn new(control_exact: f64, goal: &Goal) -> Result<Self, MissingReason> {
        let control_exact = finite(control_exact)?;
        Ok(Self {
            control_exact,
            treatment_exact: finite(control_exact * goal.ratio)?,
        })
    }

    /// Control units, rounded up.
    pub fn control(&self) -> u64 {
        self.control_exact.ceil() as u64
    }

    /// Treatment units, rounded up.
    pub fn treatment(&self) -> u64 {
        self.treatment_exact.ceil() as u64
    }

    /// Units of both arms together, not rounded. A [`ConfidenceSequence`] takes this number as its
    /// planned units.
    pub fn total(&self) -> f64 {
        self.control_exact + self.treatment_exact
    }

    /// The sample size of the CUPED-adjusted metric, for a covariate with this correlation with the
    /// metric (-1 to 1): 1 - correlation² times this sample size.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the correlation is.
    pub fn with_covariate(&self, correlation: f64) -> Result<Self, MissingReason> {
        if !(-1.0..=1.0).contains(&correlation) {
            return Err(MissingReason::OutOfRange("correlation"));
        }
        let share = 1.0 - correlation * correlation;
        Ok(Self {
            control_exact: self.control_exact * share,
            treatment_exact: self.treatment_exact * share,
        })
    }
}

/// The sample size of a z test that detects an effect between two means, in metric units.
///
/// `variances` are the variances per unit of control and treatment. The closed form counts only the
/// tail in the direction of the effect.
///
/// # Errors
/// [`MissingReason::Unreachable`] if the effect is 0; [`MissingReason::ZeroVariance`] if both
/// variances are; [`MissingReason::OutOfRange`] if the goal is; [`MissingReason::Overflow`] if the
/// size is not finite.
pub fn sample_size(
    effect: f64,
    variances: (f64, f64),
    goal: &Goal,
) -> Result<SampleSize, MissingReason> {
    if effect == 0.0 {
        return Err(MissingReason::Unreachable);
    }
    let spread = variances.0 + variances.1 / goal.ratio;
    if spread <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    SampleSize::new((goal.z_sum()? * spread.sqrt() / effect).powi(2), goal)
}

/// The sample size of a test that detects the difference between two conversion rates.
///
/// # Errors
/// The same as for [`sample_size`], and [`MissingReason::Unreachable`] if the rates are equal.
pub fn sample_size_of_rates(
    rates: Rates,
    goal: &Goal,
    formula: RateFormula,
) -> Result<SampleSize, MissingReason> {
    if rates.difference() == 0.0 {
        return Err(MissingReason::Unreachable);
    }
    let variances = (rates.control_variance(), rates.treatment_variance());
    match formula {
        RateFormula::Unpooled => sample_size(rates.difference(), variances, goal),
        RateFormula::PooledNull => {
            let pooled = rates.pooled_variance(goal.ratio) * (1.0 + 1.0 / goal.ratio);
            let unpooled = variances.0 + variances.1 / goal.ratio;
            let sum = goal.z_alpha()? * pooled.sqrt() + goal.z_power()? * unpooled.sqrt();
            SampleSize::new((sum / rates.difference()).powi(2), goal)
        }
        RateFormula::Arcsine => {
            // The power counts both tails, so the closed form is only the start of the search.
            let h = rates.arcsine_difference().abs();
            let start = (goal.z_sum()? / h).powi(2) * (1.0 + 1.0 / goal.ratio);
            let alternative = goal.alternative();
            let z = goal.z_alpha()?;
            let n = rising_root(start, goal.power, |n| {
                Ok(tail_beyond(
                    z,
                    h * (n / (1.0 + 1.0 / goal.ratio)).sqrt(),
                    alternative,
                ))
            })?;
            SampleSize::new(n, goal)
        }
    }
}

/// The sample size of the exact equal-variance t test, for small experiments. The effect and the
/// standard deviation are in metric units.
///
/// # Errors
/// The same as for [`sample_size`], and those of [`power_of_means_t`].
pub fn sample_size_t(
    effect: f64,
    standard_deviation: f64,
    goal: &Goal,
) -> Result<SampleSize, MissingReason> {
    let variance = standard_deviation * standard_deviation;
    let start = sample_size(effect, (variance, variance), goal)?.control_exact;
    let n = rising_root(start.max(2.0), goal.power, |n| {
        let units = (n, n * goal.ratio);
        power_of_means_t(
            effect.abs(),
            standard_deviation,
            units,
            goal.alpha,
            goal.alternative(),
        )
    })?;
    SampleSize::new(n, goal)
}

/// The sample size of a confidence sequence that is tuned for exactly this size and has the target
/// power when it is reached.
///
/// It is about 1.9 times the sample size of a fixed test. An experiment that stops early needs
/// fewer units.
///
/// # Errors
/// The same as for [`sample_size`].
pub fn sample_size_sequential(
    effect: f64,
    variances: (f64, f64),
    goal: &Goal,
) -> Result<SampleSize, MissingReason> {
    let fixed = sample_size(effect, variances, goal)?;
    let spread = (variances.0 + variances.1 / goal.ratio).sqrt();
    let n = rising_root(fixed.control_exact, goal.power, |n| {
        let error = spread / n.sqrt();
        let total = (n * (1.0 + goal.ratio)).max(1.0);
        let sequence = ConfidenceSequence::new(goal.alpha, total)?;
        let half_width = if goal.one_sided {
            sequence.one_sided_half_width(error, total)?
        } else {
            sequence.half_width(error, total)?
        };
        Ok(tail_beyond(
            half_width / error,
            effect.abs() / error,
            goal.alternative(),
        ))
    })?;
    SampleSize::new(n, goal)
}
