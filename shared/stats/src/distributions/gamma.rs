//! Logarithms of the gamma and beta functions, and correction terms that keep their differences
//! accurate.

use std::f64::consts::PI;

/// ln Γ(x) for x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ln B(a, b) for a, b > 0, computed without the cancellation of three large ln Γ.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    let sum = small + large;
    if large < 15.0 {
        return ln_gamma(small) + ln_gamma(large) - ln_gamma(sum);
    }
    // With Stirling's formula for the large arguments, the terms that cancel are removed:
    // ln Γ(large) - ln Γ(sum) = (large - 1/2) ln(large/sum) - small ln sum + small + corrections.
    let ratio_term = -(large - 0.5) * (small / large).ln_1p();
    let corrections = stirling_error(large) - stirling_error(sum);
    if small < 15.0 {
        ln_gamma(small) + ratio_term - small * sum.ln() + small + corrections
    } else {
        0.5 * (2.0 * PI / small).ln()
            + small * (small / sum).ln()
            + ratio_term
            + stirling_error(small)
            + corrections
    }
}

/// ln Γ(x) - [(x - 1/2) ln x - x + ln(2π)/2], Stirling's remainder, for x > 0.
pub(crate) fn stirling_error(x: f64) -> f64 {
    if x < 15.0 {
        return ln_gamma(x) - ((x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln());
    }
    let y = 1.0 / (x * x);
    (1.0 / 12.0
        - y * (1.0 / 360.0
            - y * (1.0 / 1260.0 - y * (1.0 / 1680.0 - y * (1.0 / 1188.0 - y * 691.0 / 360_360.0)))))
        / x
}

/// ln Γ(a + 1/2) - ln Γ(a) for a > 0.
pub(crate) fn ln_gamma_half_step(a: f64) -> f64 {
    if a < 15.0 {
        return ln_gamma(a + 0.5) - ln_gamma(a);
    }
    let y = 1.0 / (a * a);
    0.5 * a.ln()
        - (1.0 / a)
            * (1.0 / 8.0
                - y * (1.0 / 192.0
                    - y * (1.0 / 640.0 - y * (17.0 / 14_336.0 - y * 31.0 / 18_432.0))))
}

/// The deviance x ln(x / m) + m - x for x, m > 0, a term of the binomial and beta densities
/// (Loader 2000).
pub(crate) fn deviance(x: f64, m: f64) -> f64 {
    let d = x - m;
    if d.abs() < 0.1 * (x + m) {
        let v = d / (x + m);
        let v2 = v * v;
        let mut sum = d * v;
        let mut term = 2.0 * x * v;
        for k in 1..200 {
            term *= v2;
            let next = sum + term / f64::from(2 * k + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / m).ln() + m - x
}
