//! Lift, the relative effect (treatment - control) / |control|, with three kinds of intervals.
//!
//! - Log ratio: for metrics that cannot be negative.
//! - Fieller's set: for all other metrics.
//! - Delta method: for the methods that need a normal effect (sequential, Bayesian, CUPED-adjusted).
//!   With 10 conversions per arm, 7.6% of its 95% intervals miss the true lift on one side and 0% on
//!   the other.

use serde::Serialize;

use super::distributions::normal_upper_quantile;
use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::means::welch_degrees_of_freedom;
use super::missing::{MissingReason, finite};
use super::sample::Sample;

/// The lift with its delta-method standard error (Deng, Knoblich & Lu 2018).
///
/// The divisor is the absolute value of the control mean. An increase therefore has a positive lift
/// also if the control mean is negative.
///
/// # Errors
/// [`MissingReason::ZeroBaseline`] if the control mean is zero; [`MissingReason::ZeroVariance`] if
/// neither arm varies; [`MissingReason::Overflow`] if a result is not finite.
pub fn relative_difference(control: &Sample, treatment: &Sample) -> Result<Effect, MissingReason> {
    if control.mean() == 0.0 {
        return Err(MissingReason::ZeroBaseline);
    }
    let ratio = treatment.mean() / control.mean();
    let baseline = control.mean().abs();
    let standard_error = (treatment.mean_variance().sqrt() / baseline)
        .hypot(control.mean_variance().sqrt() / baseline * ratio);
    let effect = Effect::new(
        treatment.mean_minus(control) / baseline,
        standard_error,
        Some(welch_degrees_of_freedom(control, treatment)?),
        control.n().saturating_add(treatment.n()),
    )?;
    Ok(effect.with_constant_arm(control.variance() == 0.0 || treatment.variance() == 0.0))
}

/// A lift with the interval of the log ratio, which may be asymmetric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogRatio {
    /// (treatment - control) / control.
    pub lift: f64,
    /// Standard error of ln(treatment / control).
    pub log_standard_error: f64,
    /// Interval of the lift at 1 - alpha. Its lower end is at least -1.
    pub interval: Interval,
}

/// The lift with an interval from the normal distribution of ln(treatment / control). The interval is
/// accurate from ten conversions per arm.
///
/// # Errors
/// [`MissingReason::ZeroBaseline`] if the control mean is zero; [`MissingReason::MeanNotPositive`] if
/// a mean is not positive; [`MissingReason::ZeroVariance`] if neither arm varies;
/// [`MissingReason::Overflow`] if a result is not finite.
pub fn log_ratio(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
) -> Result<LogRatio, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    log_ratio_at(control, treatment, z)
}

/// The lift with an interval of `critical` standard errors of ln(treatment / control) on each side.
///
/// # Errors
/// The same as for [`log_ratio`].
pub fn log_ratio_at(
    control: &Sample,
    treatment: &Sample,
    critical: f64,
) -> Result<LogRatio, MissingReason> {
    if control.mean() == 0.0 {
        return Err(MissingReason::ZeroBaseline);
    }
    if !(control.mean() > 0.0 && treatment.mean() > 0.0) {
        return Err(MissingReason::MeanNotPositive);
    }
    let relative_error = |arm: &Sample| arm.mean_variance().sqrt() / arm.mean();
    let log_standard_error = finite(relative_error(control).hypot(relative_error(treatment)))?;
    if log_standard_error <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    let lift = treatment.mean_minus(control) / control.mean();
    let ratio = treatment.mean() / control.mean();
    let end = |width: f64| {
        if lift.abs() < 0.5 {
            // (1 + lift) e^w - 1, written so that small lifts do not cancel.
            lift * width.exp() + width.exp_m1()
        } else {
            ratio * width.exp() - 1.0
        }
    };
    let half = critical * log_standard_error;
    Ok(LogRatio {
        lift: finite(lift)?,
        log_standard_error,
        interval: Interval::between(end(-half).min(lift), end(half).max(lift))?,
    })
}

/// Fieller's g: z² times the squared relative standard error of the control mean.
///
/// Below 1, Fieller's set is an interval. Returns `None` if g is not finite, for example because the
/// control mean is zero.
pub fn fieller_g(control: &Sample, alpha: Alpha) -> Option<f64> {
    let z = normal_upper_quantile(alpha.per_tail())?;
    let g = (z * control.mean_variance().sqrt() / control.mean()).powi(2);
    g.is_finite().then_some(g)
}

/// The set of ratios that are compatible with the data, by Fieller's method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fieller {
    /// An interval, because the control mean differs significantly from zero.
    Bounded {
        /// Interval of treatment mean / control mean.
        ratio: Interval,
        /// Interval of (treatment - control) / |control|.
        lift: Interval,
    },
    /// All ratios outside an open interval, because the control mean may be zero.
    Exclusive {
        /// The only ratios that are excluded.
        ruled_out: Interval,
    },
    /// All ratios.
    Everything,
}

/// Fieller's confidence set at 1 - alpha of the ratio of two means (1954), under the normal
/// distribution.
///
/// The set excludes a lift of zero exactly if the z test of the absolute effect rejects.
///
/// # Errors
/// [`MissingReason::ZeroVariance`] if neither arm varies; [`MissingReason::Overflow`] if a bound is
/// not finite.
pub fn fieller(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
) -> Result<Fieller, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    fieller_at(control, treatment, z)
}

/// Fieller's set for a test with this critical number of standard errors. It excludes a lift of zero
/// exactly if the absolute effect is more than `critical` standard errors from zero.
///
/// # Errors
/// The same as for [`fieller`].
pub fn fieller_at(
    control: &Sample,
    treatment: &Sample,
    critical: f64,
) -> Result<Fieller, MissingReason> {
    let (e_c, e_t) = (
        critical * control.mean_variance().sqrt(),
        critical * treatment.mean_variance().sqrt(),
    );
    if e_c + e_t <= 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    // Dividing by the largest term prevents overflow and underflow.
    let scale = control
        .mean()
        .abs()
        .max(treatment.mean().abs())
        .max(e_c)
        .max(e_t);
    let (m_c, m_t, e_c, e_t) = (
        control.mean() / scale,
        treatment.mean() / scale,
        e_c / scale,
        e_t / scale,
    );
    let a = (m_c - e_c) * (m_c + e_c);
    let b = m_c * m_t;
    let c = (m_t - e_t) * (m_t + e_t);
    // b² - a c, written so that it does not cancel.
    let discriminant = (m_c * e_t).powi(2) + (m_t * e_c).powi(2) - (e_c * e_t).powi(2);
    if a == 0.0 || discriminant < 0.0 {
        return Ok(Fieller::Everything);
    }
    let root = discriminant.sqrt();
    // The first root does not cancel. The second follows from the product of both, c / a.
    let large = b + root.copysign(b);
    let (first, second) = if large == 0.0 {
        (0.0, 0.0)
    } else {
        (large / a, c / large)
    };
    let ratio = Interval::between(first, second)?;
    if a < 0.0 {
        return Ok(Fieller::Exclusive { ruled_out: ratio });
    }
    let sign = m_c.signum();
    let lift = Interval::between((ratio.lower - 1.0) * sign, (ratio.upper - 1.0) * sign)?;
    Ok(Fieller::Bounded { ratio, lift })
}
