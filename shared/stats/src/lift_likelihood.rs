//! The likelihood of the lift of two conversion rates, which holds for any counts, also for zero.
//!
//! The rate of the control is a nuisance parameter. It is replaced by its maximum-likelihood estimate
//! for the given lift, which has a closed form (Koopman 1984; Miettinen & Nurminen 1985).

use super::missing::MissingReason;
use super::proportion::Proportion;

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
}
