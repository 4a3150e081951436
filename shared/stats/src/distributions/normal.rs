//! The standard normal distribution: density, tail probabilities and their logarithms, quantile, and
//! mean excess over a threshold.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use statrs::distribution::{ContinuousCDF, Normal};

/// Natural logarithm of the density at `z`.
pub(crate) fn normal_ln_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// Density at `z`.
pub fn normal_density(z: f64) -> f64 {
    normal_ln_density(z).exp()
}

/// P(Z > z), accurate to a few units in the last place until it underflows (z < 38).
pub fn normal_upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// ln P(Z > z) for every finite z.
pub fn normal_ln_upper_tail(z: f64) -> f64 {
    if z < -1.0 {
        (-normal_upper_tail(-z)).ln_1p()
    } else if z < 20.0 {
        normal_upper_tail(z).ln()
    } else {
        normal_ln_density(z) + mills_ratio(z).ln()
    }
}

/// P(Z > z) / density(z), for z >= 0. Large z use Laplace's continued fraction, because erfc
/// underflows.
pub(crate) fn mills_ratio(z: f64) -> f64 {
    if z < 10.0 {
        normal_upper_tail(z) / normal_density(z)
    } else {
        1.0 / (z + mills_rest(z))
    }
}

/// 1/(z + 2/(z + 3/(z + …))), for z >= 3. The numbers of terms reach the last digit.
fn mills_rest(z: f64) -> f64 {
    let terms = if z < 10.0 { 120 } else { 30 };
    (1..=terms)
        .rev()
        .fold(0.0, |rest, k| f64::from(k) / (z + rest))
}

/// E[max(Z - z, 0)] = density(z) - z P(Z > z), computed without cancellation from z = 3.
pub fn normal_upper_tail_mean(z: f64) -> f64 {
    if z < 3.0 {
        normal_density(z) - z * normal_upper_tail(z)
    } else {
        let rest = mills_rest(z);
        normal_density(z) * rest / (z + rest)
    }
}

/// The z with P(Z > z) = `q`. Returns `None` unless 0 < q < 1.
pub fn normal_upper_quantile(q: f64) -> Option<f64> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    Some(-Normal::standard().inverse_cdf(q))
}
