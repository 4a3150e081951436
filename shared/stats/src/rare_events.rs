//! Rates with too few conversions for the normal approximation: exact tests, from the first event on.
//!
//! A user's variant is drawn before the user does anything. Without an effect, it says nothing about whether the
//! user converts. So among the users who convert, each belongs to the treatment with the treatment's share of
//! the users, whatever the conversion rate is. [`SequentialRateTest`] tests that share with a beta mixture
//! (Ville 1939; Robbins 1970), which needs no minimum of users and may be looked at all the time; [`fisher_exact`]
//! (Fisher 1935) is the test that looks once.

use serde::Serialize;

use super::distributions::{ln_beta, ln_gamma};
use super::effect::Interval;
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;
use super::proportion::Proportion;

/// Halvings of a bracket: more than an `f64` has digits.
const HALVINGS: u32 = 200;
/// Outcomes of Fisher's test that are added up at most; beyond it the normal approximation holds.
const MAX_OUTCOMES: u64 = 200_000;

/// The counts of the rarer outcome (conversions, or users without one) in each arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialRateTest {
    control: f64,
    treatment: f64,
    share: f64,
    /// The counts are of users who did not convert.
    of_misses: bool,
}

/// What the exact sequential test says at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RareEventResult {
    /// At most alpha at any look with probability alpha, if the rates are equal.
    pub p_value: PValue,
    /// ln of the e-value: evidence against equal rates.
    pub ln_e_value: f64,
    /// Ratio of the treatment's rate of the rarer outcome to the control's: an interval that covers the truth at all
    /// looks together. The upper end is infinite while the control has none.
    #[serde(skip)]
    pub rate_ratio: Interval,
}

impl SequentialRateTest {
    /// From the counts of both arms.
    ///
    /// The rarer outcome is the one that fewer of all users have. The mixture is Beta(s, 1 − s) around the
    /// treatment's share s: it notices an effect soonest where one arm has none at all.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if nobody has the rarer outcome yet.
    pub fn new(control: &Proportion, treatment: &Proportion) -> Result<Self, MissingReason> {
        let users = control.n() as f64 + treatment.n() as f64;
        let conversions = control.conversions() as f64 + treatment.conversions() as f64;
        let of_misses = conversions > users - conversions;
        let count = |arm: &Proportion| {
            if of_misses {
                arm.misses() as f64
            } else {
                arm.conversions() as f64
            }
        };
        let test = Self {
            control: count(control),
            treatment: count(treatment),
            share: treatment.n() as f64 / users,
            of_misses,
        };
        if test.control + test.treatment > 0.0 {
            Ok(test)
        } else {
            Err(MissingReason::NoUnits)
        }
    }

    /// Whether the counts are of users who did not convert.
    pub fn counts_misses(&self) -> bool {
        self.of_misses
    }

    /// The result at this look.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if the evidence is no finite number.
    pub fn at(&self, alpha: Alpha) -> Result<RareEventResult, MissingReason> {
        let ln_e_value = finite(self.ln_evidence_against(self.share))?;
        let bound = -alpha.get().ln();
        let estimate = self.treatment / (self.treatment + self.control);
        let lower = self.end_of_shares(estimate, 0.0, bound);
        let upper = self.end_of_shares(estimate, 1.0, bound);
        let ratio = |share: f64| share / (1.0 - share) * (1.0 - self.share) / self.share;
        Ok(RareEventResult {
            p_value: PValue::from_ln(-ln_e_value),
            ln_e_value,
            rate_ratio: Interval {
                lower: ratio(lower),
                upper: ratio(upper),
            },
        })
    }

    /// ln of the mixture likelihood over the likelihood of one share of the treatment among the events.
    fn ln_evidence_against(&self, share: f64) -> f64 {
        let (a, b) = (self.share, 1.0 - self.share);
        let mixture = ln_beta(a + self.treatment, b + self.control) - ln_beta(a, b);
        let term = |count: f64, p: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
        mixture - term(self.treatment, share) - term(self.control, 1.0 - share)
    }

    /// Where the evidence, which rises from the estimate to the end of the range, reaches the bound.
    fn end_of_shares(&self, estimate: f64, end: f64, bound: f64) -> f64 {
        if estimate == end || self.ln_evidence_against(end) < bound {
            return end;
        }
        let (mut inside, mut outside) = (estimate, end);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (inside + outside);
            if self.ln_evidence_against(middle) < bound {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        outside
    }
}

/// Fisher's exact test of equal rates, two-sided: the probability, with both totals given, of all tables that are at
/// most as probable as the one observed.
///
/// # Errors
/// [`MissingReason::OutOfRange`] beyond 200,000 possible tables, where the normal approximation is exact enough.
pub fn fisher_exact(control: &Proportion, treatment: &Proportion) -> Result<PValue, MissingReason> {
    let (n, m) = (control.n(), treatment.n());
    let hits = control.conversions() + treatment.conversions();
    let (low, high) = (hits.saturating_sub(m), hits.min(n));
    if high - low > MAX_OUTCOMES {
        return Err(MissingReason::OutOfRange("conversions"));
    }
    let ln_choose = |n: u64, k: u64| {
        ln_gamma(n as f64 + 1.0) - ln_gamma(k as f64 + 1.0) - ln_gamma((n - k) as f64 + 1.0)
    };
    let ln_all = ln_choose(n + m, hits);
    let ln_probability = |k: u64| ln_choose(n, k) + ln_choose(m, hits - k) - ln_all;
    // Tables as probable as the observed one differ from it by rounding only.
    let observed = ln_probability(control.conversions()) + 1e-7;
    let as_extreme = (low..=high)
        .map(ln_probability)
        .filter(|ln| *ln <= observed);
    let largest = as_extreme.clone().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = as_extreme.map(|ln| (ln - largest).exp()).sum();
    Ok(PValue::from_ln(largest + sum.ln()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(n: u64, conversions: u64) -> Proportion {
        Proportion::new(n, conversions).unwrap()
    }

    fn sequential(control: Proportion, treatment: Proportion) -> RareEventResult {
        let test = SequentialRateTest::new(&control, &treatment).unwrap();
        test.at(Alpha::FIVE_PERCENT).unwrap()
    }

    #[test]
    fn seven_events_against_none_are_significant_at_any_look() {
        assert!(sequential(arm(1_000, 0), arm(1_000, 6)).p_value.value() > 0.05);
        assert!(sequential(arm(1_000, 0), arm(1_000, 7)).p_value.value() < 0.05);
        assert!(sequential(arm(1_000, 7), arm(1_000, 0)).p_value.value() < 0.05);
    }

    #[test]
    fn a_rate_that_drops_to_zero_is_beyond_doubt() {
        let result = sequential(arm(200, 150), arm(200, 0));
        assert!(result.p_value.log10() < -30.0);
        assert!(result.rate_ratio.lower == 0.0 && result.rate_ratio.upper < 0.1);
    }

    #[test]
    fn the_interval_of_the_ratio_excludes_one_exactly_when_the_test_rejects() {
        for control in 0..40 {
            for treatment in 0..40 {
                if control + treatment == 0 {
                    continue;
                }
                let result = sequential(arm(3_000, control), arm(1_000, treatment));
                let excluded = !result.rate_ratio.contains(1.0);
                assert_eq!(
                    result.p_value.value() <= 0.05,
                    excluded,
                    "{control} {treatment}"
                );
            }
        }
    }

    #[test]
    fn the_rarer_outcome_is_counted_whichever_it_is() {
        let hits = sequential(arm(1_000, 3), arm(1_000, 20));
        let misses = sequential(arm(1_000, 997), arm(1_000, 980));
        assert_eq!(hits, misses);
    }

    #[test]
    fn fisher_gives_the_published_p_values() {
        // R: fisher.test(matrix(c(3, 1, 1, 3), 2))$p.value and fisher.test(matrix(c(1, 9, 11, 3), 2))$p.value
        let tea = fisher_exact(&arm(4, 3), &arm(4, 1)).unwrap().value();
        assert!((tea - 0.485_714_285_714_285_7).abs() < 1e-12, "{tea}");
        let diet = fisher_exact(&arm(10, 1), &arm(14, 11)).unwrap().value();
        assert!((diet - 0.002_759_456_185_220_083).abs() < 1e-12, "{diet}");
    }

    #[test]
    fn fisher_is_one_without_any_difference() {
        assert!((fisher_exact(&arm(100, 0), &arm(100, 0)).unwrap().value() - 1.0).abs() < 1e-9);
        assert!((fisher_exact(&arm(50, 5), &arm(50, 5)).unwrap().value() - 1.0).abs() < 1e-9);
    }
}
