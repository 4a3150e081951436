//! The beta and binomial distributions. They are accurate at counts of millions, where the beta
//! distribution of `statrs` loses digits and its inverse may not return.

use std::f64::consts::PI;

use super::gamma::{deviance, ln_beta, stirling_error};
use super::normal::normal_upper_quantile;

/// The continued fraction of I_x(a, b) (Lentz's method), for x below (a + 1)/(a + b + 2).
pub(super) fn incomplete_beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    // The number of terms until convergence is proportional to sqrt(max(a, b)).
    let limit = 500 + (20.0 * a.max(b).sqrt()).min(1e6) as u32;
    for m in 1..limit {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() <= 3e-16 {
            break;
        }
    }
    value
}

/// ln of x^a (1-x)^b / B(a, b), by the saddle-point expansion if a and b are large (Loader 2000).
fn ln_prefactor(a: f64, b: f64, x: f64) -> f64 {
    if a < 15.0 || b < 15.0 {
        return a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b);
    }
    let n = a + b;
    let stirling = stirling_error(n) - stirling_error(a) - stirling_error(b);
    0.5 * (a / n * b / (2.0 * PI)).ln() + stirling - deviance(a, n * x) - deviance(b, n * (1.0 - x))
}

/// Natural logarithm of the density of Beta(a, b) at x in (0, 1), for a, b > 0.
pub fn beta_ln_density(a: f64, b: f64, x: f64) -> f64 {
    ln_prefactor(a, b, x) - x.ln() - (-x).ln_1p()
}

/// P(X <= x) for X ~ Beta(a, b), with a, b > 0.
pub fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x < (a + 1.0) / (a + b + 2.0) {
        lower_tail(a, b, x)
    } else {
        1.0 - lower_tail(b, a, 1.0 - x)
    }
    .clamp(0.0, 1.0)
}

fn lower_tail(a: f64, b: f64, x: f64) -> f64 {
    ln_prefactor(a, b, x).exp() * incomplete_beta_fraction(a, b, x) / a
}

/// The x with P(X <= x) = `p` for X ~ Beta(a, b), with a, b > 0. Returns `None` unless 0 < p < 1.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> Option<f64> {
    let z = -normal_upper_quantile(p)?;
    if p > 0.5 {
        return beta_quantile(1.0 - p, b, a).map(|x| 1.0 - x);
    }
    // Newton's method on ln P as a function of the logit of x, which is concave and nearly linear in
    // the tails. The bracket narrows with every step, so the search ends even if rounding stops
    // Newton's method.
    let (mut low, mut high) = (-745.0_f64, 745.0_f64);
    let mut u = logit_start(z, p, a, b);
    let settled = 1e-8 * (1.0 / a + 1.0 / b).sqrt().min(1.0);
    for _ in 0..100 {
        let x = logistic(u);
        let cdf = beta_cdf(a, b, x);
        if cdf > p {
            high = u;
        } else {
            low = u;
        }
        let mut next = u - (cdf / p).ln() * cdf / ln_prefactor(a, b, x).exp();
        if !(next > low && next < high) {
            next = 0.5 * (low + high);
        }
        let moved = (next - u).abs();
        u = next;
        // Convergence is quadratic: the next step is about the square of this one.
        if moved <= settled {
            break;
        }
    }
    Some(logistic(u))
}

fn logistic(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}

/// An approximate logit of the quantile: by the normal distribution for large counts, and by the
/// leading power of x for small ones.
fn logit_start(z: f64, p: f64, a: f64, b: f64) -> f64 {
    if a > 1.0 && b > 1.0 {
        (a / b).ln() + z * (1.0 / a + 1.0 / b).sqrt()
    } else {
        (p.ln() + a.ln() + ln_beta(a, b)) / a
    }
    .clamp(-700.0, 30.0)
}

/// P(K <= k) for K ~ Binomial(n, p), with 0 <= p <= 1.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_cdf((n - k) as f64, k as f64 + 1.0, 1.0 - p)
}
