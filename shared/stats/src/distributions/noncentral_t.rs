//! The noncentral t distribution, which gives the exact power of a t test.

use std::f64::consts::{LN_2, PI};

use super::gamma::stirling_error;
use super::normal::{normal_ln_upper_tail, normal_upper_tail};
use crate::quadrature::integrate;

/// P(T > t) for T noncentral t with `df` (>= 1) degrees of freedom and noncentrality `delta`.
///
/// It is the normal tail probability averaged over the distribution of the estimated standard
/// deviation s, because T > t exactly if Z + delta > t s.
pub fn noncentral_t_upper_tail(t: f64, df: f64, delta: f64) -> f64 {
    if df > 1e12 {
        return normal_upper_tail(t - delta);
    }
    // The density of ln s is smooth, with an exponential left tail and a shorter right tail.
    let a = 0.5 * df;
    let ln_peak = LN_2 + 0.5 * (a / (2.0 * PI)).ln() - stirling_error(a);
    let ln_density = |u: f64| ln_peak - a * ((2.0 * u).exp_m1() - 2.0 * u);
    let sd = (0.5 / df).sqrt();
    let left = (9.0 * sd).max(45.0 / df);
    let right = (9.0 * sd).min(4.0);
    let panel = |from: f64, to: f64, steps: u32| {
        (0..steps).map(move |i| from + (to - from) * f64::from(i) / f64::from(steps))
    };
    // Where the normal tail probability changes from 0 to 1, the panels must be narrow too.
    let mut breakpoints: Vec<f64> = panel(-left, 0.0, 24).chain(panel(0.0, right, 12)).collect();
    breakpoints.push(right);
    if t * delta > 0.0 {
        let turn = (delta / t).ln();
        let width = 1.0 / t.abs().max(1.0);
        let near = (-8..=8).map(|k| turn + f64::from(k) * width);
        breakpoints.extend(near.filter(|u| *u > -left && *u < right));
        breakpoints.sort_by(f64::total_cmp);
    }
    let tail = integrate(&breakpoints, |u| {
        (ln_density(u) + normal_ln_upper_tail(t * u.exp() - delta)).exp()
    });
    tail.clamp(0.0, 1.0)
}
