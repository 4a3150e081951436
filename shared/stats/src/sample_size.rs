//! How many units an experiment needs to find an effect of a given size.

use super::confidence_sequence::ConfidenceSequence;
use super::distributions::normal_upper_quantile;
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};
use super::power::{RateFormula, Rates, critical, power_of_means_t, tail_beyond};
use super::root::rising_root;

/// What is asked of an experiment before it starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Error level; divide it by the number of treatments when there are several.
    pub alpha: Alpha,
    /// Probability of finding the effect, strictly between 0 and 1; 0.8 is usual.
    pub power: f64,
    /// Treatment units for each control unit, above 0.
    pub ratio: f64,
    /// Two-sided, or one-sided in the direction of the effect.
    pub one_sided: bool,
}

impl Goal {
    /// 80 % power at this level with equal arms, two-sided.
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

    /// z of alpha plus z of the power: the effect needed, in standard errors.
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

/// Units needed in each arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleSize {
    /// Control units as a real number.
    pub control_exact: f64,
    /// Treatment units as a real number.
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

    /// Whole control units.
    pub fn control(&self) -> u64 {
        self.control_exact.ceil() as u64
    }

    /// Whole treatment units.
    pub fn treatment(&self) -> u64 {
        self.treatment_exact.ceil() as u64
    }

    /// Both arms together, as a real number: the planned units of a [`ConfidenceSequence`].
    pub fn total(&self) -> f64 {
        self.control_exact + self.treatment_exact
    }

    /// What remains to be done when a covariate of this correlation with the metric takes away
    /// noise: a share 1 - correlation² of the units.
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

/// Units to find an effect between two means whose units have these variances (control,
/// treatment); the closed form counts the tail in the effect's direction only.
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

/// Units to tell two conversion rates apart.
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
            // Both tails count here, so that the closed form is only where the search starts.
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

/// Units for the exact equal-variance t test; for small experiments.
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

/// Units at which a confidence sequence planned for exactly that many finds the effect with the
/// goal's power at the planned end: about 1.9 times the fixed size, less where it stops early.
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
