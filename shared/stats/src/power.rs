//! Power: how likely an experiment of a given size finds an effect of a given size.

use super::distributions::{
    noncentral_t_upper_tail, normal_upper_quantile, normal_upper_tail, student_t_upper_quantile,
};
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};

/// A conversion rate expected in the control and one that the treatment may bring it to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Control rate, strictly between 0 and 1.
    pub control: f64,
    /// Treatment rate, strictly between 0 and 1.
    pub treatment: f64,
}

impl Rates {
    /// Both strictly between 0 and 1.
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

    /// Cohen's h: the difference on the arcsine scale, in radians.
    pub fn arcsine_difference(&self) -> f64 {
        2.0 * (self.treatment.sqrt().asin() - self.control.sqrt().asin())
    }

    /// Variance of one control unit: p(1 − p).
    pub fn control_variance(&self) -> f64 {
        self.control * (1.0 - self.control)
    }

    /// Variance of one treatment unit: p(1 − p).
    pub fn treatment_variance(&self) -> f64 {
        self.treatment * (1.0 - self.treatment)
    }

    /// Variance at the rate of both arms together, `ratio` treatment units for a control unit.
    pub(crate) fn pooled_variance(&self, ratio: f64) -> f64 {
        let pooled = (self.control + ratio * self.treatment) / (1.0 + ratio);
        pooled * (1.0 - pooled)
    }
}

/// The textbook formulas for the power of a comparison of two rates. They differ by little; the
/// unpooled one is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateFormula {
    /// Both arms' own variances (most calculators).
    Unpooled,
    /// The threshold from the pooled variance, as the pooled z test has it.
    PooledNull,
    /// On the arcsine scale (statsmodels).
    Arcsine,
}

/// Probability that a z test at `alpha` finds an effect of so many standard errors; two-sided
/// power counts both tails.
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

/// The z beyond which a test rejects.
pub(crate) fn critical(alpha: Alpha, alternative: Alternative) -> Result<f64, MissingReason> {
    let tail = match alternative {
        Alternative::TwoSided => alpha.per_tail(),
        Alternative::Greater | Alternative::Less => alpha.get(),
    };
    normal_upper_quantile(tail).ok_or(MissingReason::OutOfRange("alpha"))
}

/// Probability that a normal z around `shift` is beyond `threshold` in the alternative's direction.
pub(crate) fn tail_beyond(threshold: f64, shift: f64, alternative: Alternative) -> f64 {
    match alternative {
        Alternative::TwoSided => {
            normal_upper_tail(threshold - shift) + normal_upper_tail(threshold + shift)
        }
        Alternative::Greater => normal_upper_tail(threshold - shift),
        Alternative::Less => normal_upper_tail(threshold + shift),
    }
}

/// Power to tell two conversion rates apart with so many units in each arm (at least one each).
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

/// Power of the z test of two means with these standard deviations.
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

/// Power of the equal-variance t test, exact by the noncentral t distribution; for small experiments.
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
