//! Student's t distribution for degrees of freedom from 1e-3 to infinity.
//!
//! From 1e4 degrees of freedom it uses a uniform expansion around the normal distribution. Below, and
//! far in the tail, it uses the continued fraction of the incomplete beta function with a prefactor
//! that does not cancel. The largest relative error over the reference grid is 1.2e-13.

use std::f64::consts::PI;

use super::beta::incomplete_beta_fraction;
use super::gamma::ln_gamma_half_step;
use super::normal::{mills_ratio, normal_ln_density, normal_upper_quantile};

const EXPANSION_FROM: f64 = 1e4;

/// P(T > t) with `df` degrees of freedom (> 0, may be infinite).
pub fn student_t_upper_tail(t: f64, df: f64) -> f64 {
    student_t_ln_upper_tail(t, df).exp()
}

/// ln P(T > t) with `df` degrees of freedom (> 0, may be infinite).
pub fn student_t_ln_upper_tail(t: f64, df: f64) -> f64 {
    if df.is_infinite() {
        return super::normal_ln_upper_tail(t);
    }
    if t < 0.0 {
        return (-ln_tail(-t, df).exp()).ln_1p();
    }
    ln_tail(t, df)
}

/// ln(1 + t²/df), also where t² overflows.
fn ln_one_plus_square(t: f64, df: f64) -> f64 {
    let r = t / df.sqrt();
    if r > 1e100 {
        2.0 * r.ln()
    } else {
        (r * r).ln_1p()
    }
}

fn ln_tail(t: f64, df: f64) -> f64 {
    let ln_growth = ln_one_plus_square(t, df);
    if df >= EXPANSION_FROM && ln_growth < 0.5 {
        expansion(ln_growth, df)
    } else {
        beta_tail(t, ln_growth, df)
    }
}

/// Coefficients of the power series of sqrt(u / (1 - e^-u)).
const EXPANSION: [f64; 8] = [
    1.0,
    1.0 / 4.0,
    1.0 / 96.0,
    -1.0 / 384.0,
    -1.0 / 10_240.0,
    19.0 / 368_640.0,
    79.0 / 61_931_520.0,
    -55.0 / 49_545_216.0,
];

fn expansion(ln_growth: f64, df: f64) -> f64 {
    let w2 = df * ln_growth;
    let w = w2.sqrt();
    // Tail moments of the normal distribution divided by its density:
    // m(2k) = w^(2k-1) + (2k-1) m(2k-2).
    let mut moment = mills_ratio(w);
    let mut power = w;
    let mut scale = 1.0;
    let mut sum = 0.0;
    for (k, coefficient) in (1_u32..).zip(EXPANSION) {
        sum += coefficient * moment * scale;
        moment = power + f64::from(2 * k - 1) * moment;
        power *= w2;
        scale /= df;
    }
    normal_ln_density(w) + ln_gamma_half_step(df / 2.0) + 0.5 * (2.0 / df).ln() + sum.ln()
}

fn beta_tail(t: f64, ln_growth: f64, df: f64) -> f64 {
    if t == 0.0 {
        return 0.5_f64.ln();
    }
    let r2 = (t / df.sqrt()).powi(2);
    let x = 1.0 / (1.0 + r2);
    let y = 1.0 / (1.0 + 1.0 / r2);
    let a = df / 2.0;
    let ln_prefactor =
        ln_gamma_half_step(a) - 0.5 * PI.ln() - a * ln_growth + 0.5 * y.max(f64::MIN_POSITIVE).ln();
    if x < (a + 1.0) / (a + 2.5) {
        ln_prefactor + (incomplete_beta_fraction(a, 0.5, x) / df).ln()
    } else {
        (0.5 - ln_prefactor.exp() * incomplete_beta_fraction(0.5, a, y)).ln()
    }
}

fn ln_density(t: f64, df: f64) -> f64 {
    ln_gamma_half_step(df / 2.0)
        - 0.5 * (df * PI).ln()
        - 0.5 * (df + 1.0) * ln_one_plus_square(t, df)
}

/// The t with P(T > t) = `q`, with `df` degrees of freedom (> 0, may be infinite). Returns `None`
/// unless 0 < q < 1.
pub fn student_t_upper_quantile(q: f64, df: f64) -> Option<f64> {
    let z = normal_upper_quantile(q)?;
    if df.is_infinite() || z == 0.0 {
        return Some(z);
    }
    if q > 0.5 {
        return student_t_upper_quantile(1.0 - q, df).map(|t| -t);
    }
    let start = cornish_fisher(z, df);
    if df >= EXPANSION_FROM && q >= 1e-12 {
        return Some(start);
    }
    // Newton's method on asinh t, in which ln P is nearly linear both near zero and in the tail. The
    // limit on the step matters below three degrees of freedom, where the start may be inaccurate.
    let target = q.ln();
    let mut u = start.asinh().min(700.0);
    for _ in 0..60 {
        let t = u.sinh();
        let ln_p = ln_tail(t, df);
        let slope = (ln_density(t, df) - ln_p).exp() * t.hypot(1.0);
        let step = ((ln_p - target) / slope).clamp(-20.0, 20.0);
        u = (u + step).clamp(0.0, 705.0);
        if step.abs() <= 1e-15 * u.abs() {
            break;
        }
    }
    Some(u.sinh())
}

/// Expansion of the t quantile around the normal quantile `z` (Fisher & Cornish 1960).
fn cornish_fisher(z: f64, df: f64) -> f64 {
    let z2 = z * z;
    z + z
        * ((z2 + 1.0) / (4.0 * df)
            + ((5.0 * z2 + 16.0) * z2 + 3.0) / (96.0 * df * df)
            + (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / (384.0 * df * df * df))
}
