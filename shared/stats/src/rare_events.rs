//! Exact tests of conversion rates with too few conversions for the normal approximation.
//!
//! The variant is assigned at random before the user converts. Without an effect, a converted user is
//! therefore in the treatment with a probability equal to the treatment's share of all users. This
//! holds for every conversion rate.
//!
//! - [`SequentialRateTest`] tests this share with a beta mixture (Ville 1939; Robbins 1970). It is
//!   always valid and needs no minimum number of users.
//! - [`fisher_exact`] (Fisher 1935) is the fixed test, which is valid for one look.

use serde::Serialize;

use super::distributions::{ln_beta, ln_gamma};
use super::effect::Interval;
use super::level::Alpha;
use super::missing::{MissingReason, finite};
use super::p_value::PValue;
use super::proportion::Proportion;

/// Halvings of a bracket in a bisection: the ends are exact to 1e-30.
const HALVINGS: u32 = 100;
/// Minimum number of conversions, and of users without a conversion, that each arm is expected to have
/// at the pooled rate. With fewer, the z test is not accurate, and [`fisher_exact`] is used.
pub const MIN_EXPECTED_FOR_Z: f64 = 10.0;
/// Maximum number of tables in Fisher's test. With more, the normal approximation is accurate.
const MAX_OUTCOMES: u64 = 200_000;

/// The exact sequential test of two conversion rates, on the counts of the rarer outcome of each arm:
/// conversions, or users without a conversion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialRateTest {
    control: f64,
    treatment: f64,
    share: f64,
    /// Natural logarithm of the mixture likelihood of the counts.
    ln_mixture: f64,
    /// Whether the counts are of users without a conversion.
    of_misses: bool,
}

/// The result of the exact sequential test at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RareEventResult {
    /// Always-valid p-value: if the rates are equal, the probability that it is ever at most alpha is
    /// at most alpha.
    pub p_value: PValue,
    /// Natural logarithm of the e-value, the evidence against equal rates.
    pub ln_e_value: f64,
    /// Interval of the treatment's rate of the rarer outcome divided by the control's. It covers the
    /// true ratio at all looks together with probability 1 - alpha. The upper end is infinite while
    /// the count of the control is 0.
    #[serde(skip)]
    pub rate_ratio: Interval,
}

impl SequentialRateTest {
    /// Creates the test from the counts of both arms.
    ///
    /// The rarer outcome is the one with fewer users over both arms. The mixture is Beta(s, 1 − s),
    /// where s is the treatment's share of all users. It detects an effect earliest if one arm has
    /// count 0.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] if no user has the rarer outcome.
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
        let (of_control, of_treatment) = (count(control), count(treatment));
        let share = treatment.n() as f64 / users;
        let test = Self {
            control: of_control,
            treatment: of_treatment,
            share,
            ln_mixture: ln_beta(share + of_treatment, 1.0 - share + of_control)
                - ln_beta(share, 1.0 - share),
            of_misses,
        };
        if test.control + test.treatment > 0.0 {
            Ok(test)
        } else {
            Err(MissingReason::NoUnits)
        }
    }

    /// Whether the counts are of users without a conversion.
    pub fn counts_misses(&self) -> bool {
        self.of_misses
    }

    /// Natural logarithm of the e-value against equal rates at this look.
    pub fn ln_e_value(&self) -> f64 {
        self.ln_evidence_against(self.share)
    }

    /// The result at this look.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if the e-value is not finite.
    pub fn at(&self, alpha: Alpha) -> Result<RareEventResult, MissingReason> {
        let ln_e_value = finite(self.ln_e_value())?;
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

    /// Natural logarithm of the mixture likelihood divided by the likelihood of `share`, the
    /// treatment's share of the counts.
    fn ln_evidence_against(&self, share: f64) -> f64 {
        let term = |count: f64, p: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
        self.ln_mixture - term(self.treatment, share) - term(self.control, 1.0 - share)
    }

    /// The share between the estimate and the end of the range at which the evidence reaches the bound.
    /// The evidence increases from the estimate to the end.
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

/// Whether both arms are expected to have [`MIN_EXPECTED_FOR_Z`] conversions, and as many users without
/// a conversion, at the pooled rate.
pub fn enough_for_z(control: &Proportion, treatment: &Proportion) -> bool {
    let conversions = control.conversions() as f64 + treatment.conversions() as f64;
    let misses = control.misses() as f64 + treatment.misses() as f64;
    let smaller_arm = control.n().min(treatment.n()) as f64;
    smaller_arm * conversions.min(misses) / (conversions + misses) >= MIN_EXPECTED_FOR_Z
}

/// Fisher's exact test of equal rates, two-sided.
///
/// The p-value is the probability of all tables that are at most as probable as the observed table,
/// for given numbers of users and conversions.
///
/// # Errors
/// [`MissingReason::OutOfRange`] above 200,000 possible tables, where the normal approximation is
/// accurate.
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
    // The tolerance includes tables that are as probable as the observed one except for rounding.
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
    fn seven_conversions_against_none_are_significant() {
        assert!(sequential(arm(1_000, 0), arm(1_000, 6)).p_value.value() > 0.05);
        assert!(sequential(arm(1_000, 0), arm(1_000, 7)).p_value.value() < 0.05);
        assert!(sequential(arm(1_000, 7), arm(1_000, 0)).p_value.value() < 0.05);
    }

    #[test]
    fn a_rate_that_drops_to_zero_has_a_tiny_p_value() {
        let result = sequential(arm(200, 150), arm(200, 0));
        assert!(result.p_value.log10() < -30.0);
        assert!(result.rate_ratio.lower == 0.0 && result.rate_ratio.upper < 0.1);
    }

    #[test]
    fn the_interval_of_the_rate_ratio_excludes_one_exactly_if_the_test_rejects() {
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
    fn swapping_conversions_and_misses_gives_the_same_result() {
        let hits = sequential(arm(1_000, 3), arm(1_000, 20));
        let misses = sequential(arm(1_000, 997), arm(1_000, 980));
        assert_eq!(hits, misses);
    }

    #[test]
    fn fisher_gives_the_published_p_values() {
        // R: fisher.test(matrix(c(3, 1, 1, 3), 2))$p.value and
        // fisher.test(matrix(c(1, 9, 11, 3), 2))$p.value
        let tea = fisher_exact(&arm(4, 3), &arm(4, 1)).unwrap().value();
        assert!((tea - 0.485_714_285_714_285_7).abs() < 1e-12, "{tea}");
        let diet = fisher_exact(&arm(10, 1), &arm(14, 11)).unwrap().value();
        assert!((diet - 0.002_759_456_185_220_083).abs() < 1e-12, "{diet}");
    }

    #[test]
    fn fisher_gives_one_for_equal_rates() {
        assert!((fisher_exact(&arm(100, 0), &arm(100, 0)).unwrap().value() - 1.0).abs() < 1e-9);
        assert!((fisher_exact(&arm(50, 5), &arm(50, 5)).unwrap().value() - 1.0).abs() < 1e-9);
    }
}
