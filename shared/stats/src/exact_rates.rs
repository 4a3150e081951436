//! Sequential results of two conversion rates with few conversions: p-value, and intervals of the
//! difference and of the lift. All are exact, always valid, and need no minimum number of users.
//!
//! Alpha is divided between three confidence sequences: 90% for the ratio of the rates
//! ([`SequentialRateTest`]), and 5% for the rate of each arm. By the union bound, all three hold at all
//! looks together with probability 1 - alpha. The intervals are the extremes over all pairs of rates
//! that all three allow. They exclude "no difference" exactly if the p-value is at most alpha.

use serde::Serialize;

use super::distributions::ln_beta;
use super::effect::Interval;
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;
use super::proportion::Proportion;
use super::rare_events::SequentialRateTest;

/// The share of alpha for the ratio of the rates.
const RATIO_SHARE: f64 = 0.9;
/// The share of alpha for the rate of each arm.
const ARM_SHARE: f64 = 0.05;
/// Halvings of a bracket in a bisection: the ends are exact to 1e-30.
const HALVINGS: u32 = 100;

/// The exact sequential comparison of two rates at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExactRates {
    /// Always-valid p-value: if the rates are equal, the probability that it is ever at most alpha is
    /// at most alpha.
    pub p_value: PValue,
    /// Natural logarithm of the e-value, the evidence against equal rates.
    pub ln_e_value: f64,
    /// Interval of the treatment's rate minus the control's, inside [-1, 1].
    pub difference: Interval,
    /// Interval of the lift, the treatment's rate divided by the control's, minus 1. It is missing while
    /// the upper end is infinite.
    #[serde(skip)]
    pub lift: Result<Interval, MissingReason>,
}

/// The exact sequential comparison of two rates.
///
/// # Errors
/// [`MissingReason::NoConversions`] if no user converted; [`MissingReason::AllUsersConverted`] if all
/// users of both arms did; [`MissingReason::Overflow`] if the e-value is not finite.
pub fn exact_rates(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<ExactRates, MissingReason> {
    if control.conversions() == 0 && treatment.conversions() == 0 {
        return Err(MissingReason::NoConversions);
    }
    if control.misses() == 0 && treatment.misses() == 0 {
        return Err(MissingReason::AllUsersConverted);
    }
    let part = |share: f64| Alpha::new((share * alpha.get()).max(1e-12));
    let test = SequentialRateTest::new(control, treatment)?;
    let result = test.at(part(RATIO_SHARE)?)?;
    let ln_e_value = result.ln_e_value + RATIO_SHARE.ln();
    let rarer = |arm: &Proportion| {
        let bounds = sequential_rate(arm, part(ARM_SHARE)?)?;
        Ok(if test.counts_misses() {
            Interval::between(1.0 - bounds.upper, 1.0 - bounds.lower)?
        } else {
            bounds
        })
    };
    let region = Region {
        control: rarer(control)?,
        treatment: rarer(treatment)?,
        ratio: result.rate_ratio,
    };
    let corners = region.corners();
    let (difference, lift) = if test.counts_misses() {
        (
            extremes(&corners, |c, t| c - t),
            extremes(&corners, |c, t| (c - t) / (1.0 - c)),
        )
    } else {
        (
            extremes(&corners, |c, t| t - c),
            extremes(
                &corners,
                |c, t| if c > 0.0 { t / c - 1.0 } else { f64::INFINITY },
            ),
        )
    };
    let lift = match Interval::between(lift.0, lift.1) {
        Ok(lift) => Ok(lift),
        Err(_) if control.conversions() == 0 => Err(MissingReason::ZeroBaseline),
        Err(_) => Err(MissingReason::BaselineNotDistinguishable),
    };
    Ok(ExactRates {
        p_value: PValue::from_ln(-ln_e_value),
        ln_e_value,
        difference: Interval::between(difference.0, difference.1)?,
        lift,
    })
}

/// Interval of one rate that covers it at all looks together with probability 1 - alpha, by a
/// Beta(1/2, 1/2) mixture (Robbins 1970).
///
/// # Errors
/// [`MissingReason::Overflow`] if the mixture likelihood is not finite.
pub fn sequential_rate(arm: &Proportion, alpha: Alpha) -> Result<Interval, MissingReason> {
    let (hits, misses) = (arm.conversions() as f64, arm.misses() as f64);
    let ln_mixture = finite(ln_beta(hits + 0.5, misses + 0.5) - ln_beta(0.5, 0.5))?;
    let term = |count: f64, ln: f64| if count > 0.0 { count * ln } else { 0.0 };
    let bound = -alpha.get().ln();
    let excluded = |p: f64| ln_mixture - term(hits, p.ln()) - term(misses, (-p).ln_1p()) >= bound;
    let end = |end: f64| {
        let (mut inside, mut outside) = (arm.rate(), end);
        if inside == end || !excluded(end) {
            return end;
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (inside + outside);
            if excluded(middle) {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        outside
    };
    Interval::between(end(0.0), end(1.0))
}

/// The pairs of rates, of the rarer outcome, that all three confidence sequences allow.
struct Region {
    control: Interval,
    treatment: Interval,
    /// The treatment's rate divided by the control's. The upper end may be infinite.
    ratio: Interval,
}

impl Region {
    /// The corners of the polygon. A difference and a quotient have their extremes there.
    fn corners(&self) -> Vec<(f64, f64)> {
        let mut corners = Vec::new();
        let (control, treatment) = (
            [self.control.lower, self.control.upper],
            [self.treatment.lower, self.treatment.upper],
        );
        for c in control {
            for t in treatment {
                if t >= self.ratio.lower * c
                    && (self.ratio.upper.is_infinite() || t <= self.ratio.upper * c)
                {
                    corners.push((c, t));
                }
            }
        }
        for ratio in [self.ratio.lower, self.ratio.upper] {
            if !ratio.is_finite() {
                continue;
            }
            corners.extend(
                control
                    .map(|c| (c, ratio * c))
                    .into_iter()
                    .filter(|(_, t)| self.treatment.contains(*t)),
            );
            if ratio > 0.0 {
                corners.extend(
                    treatment
                        .map(|t| (t / ratio, t))
                        .into_iter()
                        .filter(|(c, _)| self.control.contains(*c)),
                );
            }
        }
        corners
    }
}

fn extremes(corners: &[(f64, f64)], value: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    corners
        .iter()
        .map(|(c, t)| value(*c, *t))
        .fold(start, |(low, high), x| (low.min(x), high.max(x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(n: u64, conversions: u64) -> Proportion {
        Proportion::new(n, conversions).unwrap()
    }

    fn exact(control: Proportion, treatment: Proportion) -> ExactRates {
        exact_rates(&control, &treatment, Alpha::FIVE_PERCENT).unwrap()
    }

    #[test]
    fn seven_conversions_against_none_are_significant_and_six_are_not() {
        for (control, treatment) in [(0, 7), (7, 0)] {
            let result = exact(arm(1_000, control), arm(1_000, treatment));
            assert!(result.p_value.value() <= 0.05);
            assert!(result.difference.excludes_zero());
        }
        assert!(exact(arm(1_000, 0), arm(1_000, 6)).p_value.value() > 0.05);
    }

    #[test]
    fn the_intervals_contain_the_estimates_and_exclude_zero_exactly_if_the_test_rejects() {
        for (n, m) in [(60, 60), (900, 100), (100, 900)] {
            for c in 0..=50_u64 {
                for t in 0..=50_u64 {
                    if c + t == 0 {
                        continue;
                    }
                    let (control, treatment) = (arm(n, c), arm(m, t));
                    let result = exact(control, treatment);
                    let rejects = result.p_value.value() <= 0.05;
                    let difference = crate::rate_difference(&control, &treatment);
                    assert!(
                        result.difference.contains(difference),
                        "{n} {m} {c} {t} {result:?}"
                    );
                    assert_eq!(
                        rejects,
                        result.difference.excludes_zero(),
                        "{n} {m} {c} {t}"
                    );
                    if let Ok(lift) = result.lift {
                        let estimate = treatment.rate() / control.rate() - 1.0;
                        assert!(lift.lower <= estimate + 1e-12 && estimate <= lift.upper + 1e-12);
                        assert_eq!(rejects, lift.excludes_zero(), "{n} {m} {c} {t} {lift:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_rate_that_drops_to_zero_has_a_lift_near_minus_100_percent() {
        let result = exact(arm(400, 300), arm(400, 0));
        assert!(result.p_value.log10() < -60.0);
        let lift = result.lift.unwrap();
        assert!(lift.lower == -1.0 && lift.upper < -0.95, "{lift:?}");
        assert!(result.difference.upper < -0.6 && result.difference.lower > -0.9);
    }

    #[test]
    fn a_rate_that_appears_from_zero_has_no_lift() {
        let result = exact(arm(1_000, 0), arm(1_000, 300));
        assert_eq!(result.lift, Err(MissingReason::ZeroBaseline));
        assert!(result.difference.lower > 0.2 && result.difference.upper < 0.4);
    }

    #[test]
    fn misses_instead_of_conversions_give_the_opposite_difference() {
        let hits = exact(arm(1_000, 3), arm(1_000, 20)).difference;
        let misses = exact(arm(1_000, 997), arm(1_000, 980)).difference;
        assert!((hits.lower + misses.upper).abs() < 1e-12);
        assert!((hits.upper + misses.lower).abs() < 1e-12);
    }
}
