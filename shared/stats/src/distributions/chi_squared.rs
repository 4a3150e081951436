//! The upper tail of the chi-square distribution. It uses `statrs`, and a continued fraction for the
//! logarithm where the probability underflows.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::gamma::ln_gamma;

/// P(X > x) with `df` >= 1 degrees of freedom, for finite x.
pub fn chi_squared_upper_tail(x: f64, df: u32) -> f64 {
    if x <= 0.0 || df == 0 {
        return 1.0;
    }
    // The constructor only checks that the degrees of freedom are positive, which holds here.
    ChiSquared::new(f64::from(df))
        .map_or(1.0, |distribution| distribution.sf(x))
        .clamp(0.0, 1.0)
}

/// ln P(X > x) with `df` >= 1 degrees of freedom, for finite x.
pub fn chi_squared_ln_upper_tail(x: f64, df: u32) -> f64 {
    let tail = chi_squared_upper_tail(x, df);
    if tail > 1e-250 {
        return tail.ln();
    }
    let (a, half) = (f64::from(df) / 2.0, x / 2.0);
    a * half.ln() - half - ln_gamma(a) + upper_gamma_fraction(a, half).ln()
}

/// Γ(a, x) e^x x^-a by the Legendre continued fraction, for x so far above a that the tail probability
/// nearly underflows.
fn upper_gamma_fraction(a: f64, x: f64) -> f64 {
    let terms = 60 + (4.0 * a.sqrt()) as u32;
    let rest = (1..=terms).rev().fold(0.0, |rest, k| {
        let k = f64::from(k);
        k * (k - a) / (x + 2.0 * k + 1.0 - a - rest)
    });
    1.0 / (x + 1.0 - a - rest)
}
