//! The likelihood of the lift of two conversion rates, which holds for any counts, also for zero.
//!
//! The rate of the control is a nuisance parameter. It is replaced by its maximum-likelihood estimate
//! for the given lift, which has a closed form (Koopman 1984; Miettinen & Nurminen 1985).

use super::effect::Interval;
use super::missing::MissingReason;
use super::proportion::Proportion;

/// Largest absolute logarithm of the ratio of the rates that is searched.
const MAX_LN_RATIO: f64 = 60.0;
/// Halvings of a bracket in a bisection.
const HALVINGS: u32 = 80;

/// The profile likelihood of ln(treatment rate / control rate).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftLikelihood {
    /// Conversions of control and treatment.
    hits: [f64; 2],
    /// Users without a conversion.
    misses: [f64; 2],
}

impl LiftLikelihood {
    /// The likelihood of two rates.
    ///
    /// # Errors
    /// [`MissingReason::NoConversions`] if no user converted, so that the likelihood does not depend on
    /// the lift.
    pub fn new(control: &Proportion, treatment: &Proportion) -> Result<Self, MissingReason> {
        if control.conversions() == 0 && treatment.conversions() == 0 {
            return Err(MissingReason::NoConversions);
        }
        Ok(Self {
            hits: [control.conversions() as f64, treatment.conversions() as f64],
            misses: [control.misses() as f64, treatment.misses() as f64],
        })
    }

    /// Natural logarithm of the likelihood of this ln(treatment rate / control rate).
    pub fn ln_at(&self, ln_ratio: f64) -> f64 {
        let ([hits_c, hits_t], [misses_c, misses_t]) = (self.hits, self.misses);
        // For a ratio above 1, the roles are swapped, so that the ratio does not overflow.
        if ln_ratio > 0.0 {
            let swapped = Self {
                hits: [hits_t, hits_c],
                misses: [misses_t, misses_c],
            };
            return swapped.ln_at(-ln_ratio);
        }
        let ratio = ln_ratio.exp();
        let hits = hits_c + hits_t;
        let a = ratio * (hits + misses_c + misses_t);
        let b = (hits + misses_c) + ratio * (hits + misses_t);
        // The smaller root of a p² - b p + hits = 0, without cancellation.
        let root = (b * b - 4.0 * a * hits).max(0.0).sqrt();
        let rate = (2.0 * hits / (b + root)).min(1.0);
        let term = |count: f64, ln: f64| if count > 0.0 { count * ln } else { 0.0 };
        term(hits_c, rate.ln())
            + term(misses_c, (-rate).ln_1p())
            + term(hits_t, rate.ln() + ln_ratio)
            + term(misses_t, (-ratio * rate).ln_1p())
    }

    /// The interval of the lift by the likelihood ratio test: all lifts whose likelihood is at least
    /// e^(-critical² / 2) times the largest one. `critical` is a quantile of the normal distribution.
    ///
    /// # Errors
    /// [`MissingReason::ZeroBaseline`] if no user of the control converted.
    pub fn interval(&self, critical: f64) -> Result<Interval, MissingReason> {
        let ([hits_c, hits_t], [misses_c, misses_t]) = (self.hits, self.misses);
        if hits_c == 0.0 {
            return Err(MissingReason::ZeroBaseline);
        }
        let rate_c = hits_c / (hits_c + misses_c);
        let rate_t = hits_t / (hits_t + misses_t);
        let estimate = (rate_t / rate_c).ln().max(-MAX_LN_RATIO);
        let lowest = self.ln_at(estimate) - 0.5 * critical * critical;
        let end = |end: f64| {
            if self.ln_at(end) >= lowest {
                return end;
            }
            let (mut inside, mut outside) = (estimate, end);
            for _ in 0..HALVINGS {
                let middle = 0.5 * (inside + outside);
                if self.ln_at(middle) >= lowest {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            outside
        };
        let lower = if hits_t == 0.0 {
            -1.0
        } else {
            end(-MAX_LN_RATIO).exp_m1()
        };
        Interval::between(lower, end(MAX_LN_RATIO).exp_m1())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(control: (u64, u64), treatment: (u64, u64)) -> LiftLikelihood {
        let arm = |(n, hits): (u64, u64)| Proportion::new(n, hits).unwrap();
        LiftLikelihood::new(&arm(control), &arm(treatment)).unwrap()
    }

    /// The largest likelihood for a ratio, over a fine grid of control rates.
    fn by_search(l: &LiftLikelihood, ln_ratio: f64) -> f64 {
        let term = |count: f64, p: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
        (1..200_000)
            .map(|i| f64::from(i) / 200_000.0)
            .map(|p| (p, p * ln_ratio.exp()))
            .filter(|(_, q)| *q < 1.0)
            .map(|(p, q)| {
                term(l.hits[0], p)
                    + term(l.misses[0], 1.0 - p)
                    + term(l.hits[1], q)
                    + term(l.misses[1], 1.0 - q)
            })
            .fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn the_closed_form_is_the_maximum_over_all_control_rates() {
        for l in [
            of((500, 30), (500, 470)),
            of((400, 300), (400, 0)),
            of((400, 0), (300, 8)),
            of((50, 50), (60, 30)),
            of((50, 20), (60, 60)),
        ] {
            for ln_ratio in [-2.0, -0.3, 0.0, 0.2, 1.5] {
                let (exact, searched) = (l.ln_at(ln_ratio), by_search(&l, ln_ratio));
                assert!(
                    (exact - searched).abs() < 1e-3 * exact.abs().max(1.0),
                    "{l:?} {ln_ratio} {exact} {searched}"
                );
            }
        }
    }

    #[test]
    fn the_interval_of_many_conversions_is_that_of_the_log_ratio() {
        let (c, t) = ((44_700, 8_502), (45_489, 8_279));
        let interval = of(c, t).interval(1.959_963_984_540_054).unwrap();
        assert!((interval.lower + 0.068_89).abs() < 1e-4, "{interval:?}");
        assert!((interval.upper + 0.016_63).abs() < 1e-4, "{interval:?}");
    }

    #[test]
    fn a_treatment_without_conversions_has_a_one_sided_interval() {
        let interval = of((400, 300), (400, 0)).interval(1.96).unwrap();
        assert!(
            interval.lower == -1.0 && interval.upper < -0.98,
            "{interval:?}"
        );
        let none = of((400, 0), (400, 5)).interval(1.96);
        assert_eq!(none, Err(MissingReason::ZeroBaseline));
    }
}
