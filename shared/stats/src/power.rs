//! Power: the probability that an experiment of a given size detects an effect of a given size.

use super::distributions::{
    noncentral_t_upper_tail, normal_upper_quantile, normal_upper_tail, student_t_upper_quantile,
};
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};

/// The expected conversion rates of control and treatment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Control rate, strictly between 0 and 1.
    pub control: f64,
    /// Treatment rate, strictly between 0 and 1.
    pub treatment: f64,
}

impl Rates {
    /// Creates the pair of rates.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if a rate is not strictly between 0 and 1.
    pub fn new(control: f64, treatment: f64) -> Result<Self, MissingReason> {
        let inside = |rate: f64| rate > 0.0 && rate < 1.0;
        if inside(control) && inside(treatment) {
            Ok(Self { control, treatment })
        } else {
            Err(MissingReason::OutOfRange("rate"))
        }
    }

    /// Treatment rate minus control rate.
    pub fn difference(&self) -> f64 {
        self.treatment - self.control
    }

    /// Cohen's h: treatment minus control on the arcsine scale, in radians.
    pub fn arcsine_difference(&self) -> f64 {
        2.0 * (self.treatment.sqrt().asin() - self.control.sqrt().asin())
    }

    /// Variance per control unit: p(1 − p).
    pub fn control_variance(&self) -> f64 {
        self.control * (1.0 - self.control)
    }

    /// Variance per treatment unit: p(1 − p).
    pub fn treatment_variance(&self) -> f64 {
        self.treatment * (1.0 - self.treatment)
    }

    /// Variance per unit at the pooled rate of both arms, with `ratio` treatment units per control
    /// unit.
    pub(crate) fn pooled_variance(&self, ratio: f64) -> f64 {
        let pooled = (self.control + ratio * self.treatment) / (1.0 + ratio);
        pooled * (1.0 - pooled)
    }
}

/// The standard formulas for the power of a comparison of two rates. Their results differ little.
/// Reports use the unpooled formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateFormula {
    /// Uses the variance of each arm, as most calculators do.
    Unpooled,
    /// Uses the pooled variance for the threshold, as the pooled z test does.
    PooledNull,
    /// Uses the arcsine scale, as statsmodels does.
    Arcsine,
}

/// The power of a z test for an effect with this standard error, both in the same unit. Two-sided
/// power counts both tails.
///
/// # Errors
/// [`MissingReason::ZeroVariance`] if the standard error is not positive.
pub fn power(
    effect: f64,
    standard_error: f64,
    alpha: Alpha,
    alternative: Alternative,
) -> Result<f64, MissingReason> {
    if standard_error <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    Ok(tail_beyond(
        critical(alpha, alternative)?,
        finite(effect / standard_error)?,
        alternative,
    ))
}

/// The z above which a test rejects.
pub(crate) fn critical(alpha: Alpha, alternative: Alternative) -> Result<f64, MissingReason> {
    let tail = match alternative {
        Alternative::TwoSided => alpha.per_tail(),
        Alternative::Greater | Alternative::Less => alpha.get(),
    };
    normal_upper_quantile(tail).ok_or(MissingReason::OutOfRange("alpha"))
}

/// The probability that a normal z with mean `shift` is beyond `threshold` in the direction of the
/// alternative.
pub(crate) fn tail_beyond(threshold: f64, shift: f64, alternative: Alternative) -> f64 {
    match alternative {
        Alternative::TwoSided => {
            normal_upper_tail(threshold - shift) + normal_upper_tail(threshold + shift)
        }
        Alternative::Greater => normal_upper_tail(threshold - shift),
        Alternative::Less => normal_upper_tail(threshold + shift),
    }
}

/// The power of a test of two conversion rates. `units` are those of control and treatment.
///
/// # Errors
/// [`MissingReason::NoUnits`] if an arm is smaller than one unit.
pub fn power_of_rates(
    rates: Rates,
    units: (f64, f64),
    alpha: Alpha,
    alternative: Alternative,
    formula: RateFormula,
) -> Result<f64, MissingReason> {
    let (n_c, n_t) = at_least_one(units)?;
    let z = critical(alpha, alternative)?;
    if formula == RateFormula::Arcsine {
        let shift = rates.arcsine_difference() / (1.0 / n_c + 1.0 / n_t).sqrt();
        return Ok(tail_beyond(z, shift, alternative));
    }
    let unpooled = (rates.control_variance() / n_c + rates.treatment_variance() / n_t).sqrt();
    let threshold = match formula {
        RateFormula::PooledNull => {
            let pooled = rates.pooled_variance(n_t / n_c) * (1.0 / n_c + 1.0 / n_t);
            z * pooled.sqrt() / unpooled
        }
        _ => z,
    };
    Ok(tail_beyond(
        threshold,
        rates.difference() / unpooled,
        alternative,
    ))
}

fn at_least_one((n_c, n_t): (f64, f64)) -> Result<(f64, f64), MissingReason> {
    if n_c >= 1.0 && n_t >= 1.0 && n_c.is_finite() && n_t.is_finite() {
        Ok((n_c, n_t))
    } else {
        Err(MissingReason::NoUnits)
    }
}

/// The power of the z test of two means. The effect and the standard deviations (control, treatment)
/// are in metric units.
///
/// # Errors
/// [`MissingReason::NoUnits`] if an arm is smaller than one unit; [`MissingReason::ZeroVariance`] if
/// both standard deviations are zero.
pub fn power_of_means(
    effect: f64,
    standard_deviations: (f64, f64),
    units: (f64, f64),
    alpha: Alpha,
    alternative: Alternative,
) -> Result<f64, MissingReason> {
    let (n_c, n_t) = at_least_one(units)?;
    let error = (standard_deviations.0 / n_c.sqrt()).hypot(standard_deviations.1 / n_t.sqrt());
    power(effect, error, alpha, alternative)
}

/// The power of the equal-variance t test, for small experiments. It is exact, by the noncentral t
/// distribution. The effect and the standard deviation are in metric units.
///
/// # Errors
/// [`MissingReason::NoUnits`] if an arm is smaller than one unit; [`MissingReason::TooFewUnits`]
/// below three units; [`MissingReason::ZeroVariance`] if the standard deviation is not positive.
pub fn power_of_means_t(
    effect: f64,
    standard_deviation: f64,
    units: (f64, f64),
    alpha: Alpha,
    alternative: Alternative,
) -> Result<f64, MissingReason> {
    let (n_c, n_t) = at_least_one(units)?;
    let df = n_c + n_t - 2.0;
    if df <= 0.0 {
        return Err(MissingReason::TooFewUnits { needed: 3, seen: 2 });
    }
    if standard_deviation <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    let delta = finite(effect / (standard_deviation * (1.0 / n_c + 1.0 / n_t).sqrt()))?;
    let tail = match alternative {
        Alternative::TwoSided => alpha.per_tail(),
        Alternative::Greater | Alternative::Less => alpha.get(),
    };
    let t = student_t_upper_quantile(tail, df).ok_or(MissingReason::OutOfRange("alpha"))?;
    Ok(match alternative {
        Alternative::TwoSided => {
            noncentral_t_upper_tail(t, df, delta) + noncentral_t_upper_tail(t, df, -delta)
        }
        Alternative::Greater => noncentral_t_upper_tail(t, df, delta),
        Alternative::Less => noncentral_t_upper_tail(t, df, -delta),
    })
}
