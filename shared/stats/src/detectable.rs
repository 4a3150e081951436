//! The minimum detectable effect: the smallest effect that an experiment of a given size detects
//! with a given power.

use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};
use super::power::{Rates, power_of_means_t, tail_beyond};
use super::root::rising_root;
use super::sample_size::Goal;

/// Arm sizes with the error level and the power of a two-sided test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Units in the control, at least one.
    pub control: f64,
    /// Units in the treatment, at least one.
    pub treatment: f64,
    /// Error level of the two-sided test.
    pub alpha: Alpha,
    /// Probability of detecting the effect, above alpha and below 1.
    pub power: f64,
}

impl Capacity {
    /// The minimum detectable effect in standard errors.
    fn z_sum(&self) -> Result<f64, MissingReason> {
        if !(self.control >= 1.0 && self.treatment >= 1.0) {
            return Err(MissingReason::NoUnits);
        }
        Goal {
            alpha: self.alpha,
            power: self.power,
            ratio: 1.0,
            one_sided: false,
        }
        .z_sum()
    }

    fn inverse_units(&self) -> f64 {
        1.0 / self.control + 1.0 / self.treatment
    }
}

/// The treatment rates at the minimum detectable effect, above and below the control rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectableRates {
    /// Treatment rate after the smallest detectable increase. `None` if it is not below 1.
    pub up: Option<f64>,
    /// Treatment rate after the smallest detectable decrease. `None` if it is not above 0.
    pub down: Option<f64>,
}

/// The closest treatment rates that a test with the unpooled variance distinguishes from the
/// control rate.
///
/// They are the roots p of (p - pc)² = (za + zb)² (pc qc / nc + p q / nt), a quadratic in p, where
/// q = 1 - p.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if the control rate is not strictly between 0 and 1 or the power is
/// out of range; [`MissingReason::NoUnits`] if an arm is smaller than one unit.
pub fn detectable_rates(
    control_rate: f64,
    capacity: &Capacity,
) -> Result<DetectableRates, MissingReason> {
    let p = Rates::new(control_rate, 0.5)?.control;
    let z2 = capacity.z_sum()?.powi(2);
    let (k_c, k_t) = (z2 / capacity.control, z2 / capacity.treatment);
    // With x = rate - p: (1 + k_t) x² - k_t (1 - 2p) x - (k_c + k_t) p q = 0.
    let (a, half_b, c) = (
        1.0 + k_t,
        0.5 * k_t * (1.0 - 2.0 * p),
        (k_c + k_t) * p * (1.0 - p),
    );
    let root = (half_b * half_b + a * c).sqrt();
    let (rise, fall) = if half_b >= 0.0 {
        let rise = (half_b + root) / a;
        (rise, c / (a * rise))
    } else {
        let fall = (root - half_b) / a;
        (c / (a * fall), fall)
    };
    Ok(DetectableRates {
        up: inside(p + rise),
        down: inside(p - fall),
    })
}

fn inside(rate: f64) -> Option<f64> {
    (rate > 0.0 && rate < 1.0).then_some(rate)
}

/// The minimum detectable Cohen's h, counting both tails (arcsine scale, in radians).
///
/// # Errors
/// The same as for [`detectable_rates`], except for the rate.
pub fn detectable_arcsine(capacity: &Capacity) -> Result<f64, MissingReason> {
    let unit = capacity.inverse_units().sqrt();
    let z = super::power::critical(capacity.alpha, Alternative::TwoSided)?;
    rising_root(capacity.z_sum()? * unit, capacity.power, |h| {
        Ok(tail_beyond(z, h / unit, Alternative::TwoSided))
    })
}

/// The rates at a distance of `h` radians from the control rate on the arcsine scale.
pub fn rates_at_arcsine(control_rate: f64, h: f64) -> DetectableRates {
    let angle = 2.0 * control_rate.sqrt().asin();
    let at = |angle: f64| {
        let reachable = angle > 0.0 && angle < std::f64::consts::PI;
        reachable.then(|| (angle / 2.0).sin().powi(2))
    };
    DetectableRates {
        up: at(angle + h),
        down: at(angle - h),
    }
}

/// The minimum detectable difference of means of the z test, in metric units.
///
/// # Errors
/// [`MissingReason::NoUnits`] if an arm is smaller than one unit; [`MissingReason::OutOfRange`] if
/// the power is; [`MissingReason::Overflow`] if the result is not finite.
pub fn detectable_mean(standard_deviation: f64, capacity: &Capacity) -> Result<f64, MissingReason> {
    finite(capacity.z_sum()? * standard_deviation * capacity.inverse_units().sqrt())
}

/// The minimum detectable difference of means of the exact equal-variance t test, in metric units.
///
/// # Errors
/// The same as for [`detectable_mean`], and those of [`power_of_means_t`].
pub fn detectable_mean_t(
    standard_deviation: f64,
    capacity: &Capacity,
) -> Result<f64, MissingReason> {
    let start = detectable_mean(standard_deviation, capacity)?;
    let units = (capacity.control, capacity.treatment);
    rising_root(start, capacity.power, |effect| {
        power_of_means_t(
            effect,
            standard_deviation,
            units,
            capacity.alpha,
            Alternative::TwoSided,
        )
    })
}
