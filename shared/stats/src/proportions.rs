//! Comparison of two conversion rates: the pooled z test, and intervals that are also valid without
//! conversions.

use serde::Serialize;

use super::distributions::normal_upper_quantile;
use super::effect::{Effect, FixedTest, Interval, p_value};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::p_value::PValue;
use super::proportion::Proportion;

/// The result of the two-proportion z test, with an interval of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProportionTest {
    /// Treatment rate minus control rate, -1 to 1.
    pub difference: f64,
    /// Conversion rate of both arms together, on which the test is based.
    pub pooled_rate: f64,
    /// Standard error of the difference if both arms have the pooled rate.
    pub pooled_standard_error: f64,
    /// Difference divided by the pooled standard error.
    pub z: f64,
    /// P-value under the normal distribution.
    pub p_value: PValue,
    /// Newcombe's two-sided interval of the difference at 1 - alpha, for every alternative.
    pub interval: Interval,
}

/// Tests whether two conversion rates differ, by the pooled z test.
///
/// # Errors
/// [`MissingReason::NoConversions`] if no user converted; [`MissingReason::AllUsersConverted`] if all
/// users of both arms did. [`newcombe`] has an interval in both cases.
pub fn two_proportion_z(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
    alternative: Alternative,
) -> Result<ProportionTest, MissingReason> {
    let conversions = u128::from(control.conversions()) + u128::from(treatment.conversions());
    let misses = u128::from(control.misses()) + u128::from(treatment.misses());
    if conversions == 0 {
        return Err(MissingReason::NoConversions);
    }
    if misses == 0 {
        return Err(MissingReason::AllUsersConverted);
    }
    let n = (conversions + misses) as f64;
    let pooled_rate = conversions as f64 / n;
    let variance = pooled_rate * (misses as f64 / n);
    let pooled_standard_error =
        (variance * (1.0 / control.n() as f64 + 1.0 / treatment.n() as f64)).sqrt();
    let difference = rate_difference(control, treatment);
    let z = difference / pooled_standard_error;
    Ok(ProportionTest {
        difference,
        pooled_rate,
        pooled_standard_error,
        z,
        p_value: p_value(z, None, alternative),
        interval: newcombe(control, treatment, alpha)?,
    })
}

/// Treatment rate minus control rate, -1 to 1. The common denominator prevents cancellation.
pub fn rate_difference(control: &Proportion, treatment: &Proportion) -> f64 {
    let (n_c, n_t) = (u128::from(control.n()), u128::from(treatment.n()));
    let left = u128::from(treatment.conversions()) * n_c;
    let right = u128::from(control.conversions()) * n_t;
    let size = left.abs_diff(right) as f64 / (n_c as f64 * n_t as f64);
    if left < right { -size } else { size }
}

/// The unpooled (Wald) z test, for comparison with other tools.
///
/// Its interval can exceed [-1, 1] and is too short with few conversions.
///
/// # Errors
/// [`MissingReason::ZeroVariance`] if neither arm varies.
pub fn wald(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
    alternative: Alternative,
) -> Result<FixedTest, MissingReason> {
    let variance =
        control.variance() / control.n() as f64 + treatment.variance() / treatment.n() as f64;
    let units = control.n().saturating_add(treatment.n());
    Effect::new(
        rate_difference(control, treatment),
        variance.sqrt(),
        None,
        units,
    )?
    .test(0.0, alpha, alternative)
}

/// Newcombe's hybrid interval of the difference of two rates (1998, method 10), which reports use.
///
/// It is inside [-1, 1], and has its nominal coverage also without conversions.
///
/// # Errors
/// None for levels that [`Alpha::new`] accepts.
pub fn newcombe(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<Interval, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let (below_c, above_c) = wilson_distances(control, z);
    let (below_t, above_t) = wilson_distances(treatment, z);
    let difference = rate_difference(control, treatment);
    Interval::between(
        difference - below_t.hypot(above_c),
        difference + above_t.hypot(below_c),
    )
}

/// The interval of the lift of two rates from the Wilson bounds of both arms (Donner & Zou 2012), which also
/// holds if an arm has no conversion or only conversions. It excludes zero exactly if [`newcombe`] does.
///
/// # Errors
/// [`MissingReason::ZeroBaseline`] if no user of the control converted.
pub fn newcombe_lift(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<Interval, MissingReason> {
    if control.conversions() == 0 {
        return Err(MissingReason::ZeroBaseline);
    }
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let ((below_c, above_c), (below_t, above_t)) =
        (wilson_distances(control, z), wilson_distances(treatment, z));
    let (c, t) = (control.rate(), treatment.rate());
    // Products of a bound and its mirror image at the rate: p² - distance².
    let (low_c, high_c) = ((c - below_c) * (c + below_c), (c - above_c) * (c + above_c));
    let (low_t, high_t) = ((t - below_t) * (t + below_t), (t - above_t) * (t + above_t));
    let root = |of_t: f64, of_c: f64| ((c * t).powi(2) - of_t * of_c).max(0.0).sqrt();
    let spread = c * t + root(low_t, high_c);
    let lower = if spread > 0.0 { low_t / spread } else { 0.0 };
    let upper = (c * t + root(high_t, low_c)) / low_c;
    Interval::between(lower - 1.0, upper - 1.0)
}

/// Wilson's interval of one conversion rate at 1 - alpha (1927), inside [0, 1].
///
/// # Errors
/// None for levels that [`Alpha::new`] accepts.
pub fn wilson(arm: &Proportion, alpha: Alpha) -> Result<Interval, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let (below, above) = wilson_distances(arm, z);
    Interval::between((arm.rate() - below).max(0.0), (arm.rate() + above).min(1.0))
}

/// The distances of the ends of Wilson's interval below and above the rate.
fn wilson_distances(arm: &Proportion, z: f64) -> (f64, f64) {
    let n = arm.n() as f64;
    let (p, q) = (arm.rate(), arm.misses() as f64 / n);
    let z2 = z * z;
    let half = z * (p * q * n + z2 / 4.0).sqrt();
    let shift = z2 * (0.5 - p);
    let below = if arm.conversions() == 0 {
        0.0
    } else {
        half - shift
    };
    let above = if arm.misses() == 0 { 0.0 } else { half + shift };
    (below / (n + z2), above / (n + z2))
}

/// Agresti and Caffo's interval of the difference of two rates (2000): Wald's interval after adding
/// one conversion and one user without a conversion to each arm.
///
/// # Errors
/// None for levels that [`Alpha::new`] accepts.
pub fn agresti_caffo(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<Interval, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let added = |arm: &Proportion| {
        let n = arm.n() as f64 + 2.0;
        let (p, q) = (
            (arm.conversions() as f64 + 1.0) / n,
            (arm.misses() as f64 + 1.0) / n,
        );
        (p, p * q / n)
    };
    let ((p_c, v_c), (p_t, v_t)) = (added(control), added(treatment));
    Interval::around(p_t - p_c, z * (v_c + v_t).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_the_lift_excludes_zero_exactly_if_that_of_the_difference_does() {
        for (n, m) in [(6, 6), (40, 25), (90, 10)] {
            for c in 1..=n {
                for t in 0..=m {
                    let (control, treatment) = (
                        Proportion::new(n, c).unwrap(),
                        Proportion::new(m, t).unwrap(),
                    );
                    let difference = newcombe(&control, &treatment, Alpha::FIVE_PERCENT).unwrap();
                    let lift = newcombe_lift(&control, &treatment, Alpha::FIVE_PERCENT).unwrap();
                    assert_eq!(
                        difference.excludes_zero(),
                        lift.excludes_zero(),
                        "{c} of {n}, {t} of {m}: {difference:?} {lift:?}"
                    );
                    let estimate = treatment.rate() / control.rate() - 1.0;
                    assert!(lift.lower <= estimate + 1e-12 && estimate <= lift.upper + 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_treatment_without_conversions_has_a_lift_near_minus_100_percent() {
        let arm = |n, conversions| Proportion::new(n, conversions).unwrap();
        let lift = newcombe_lift(&arm(400, 300), &arm(400, 0), Alpha::FIVE_PERCENT).unwrap();
        assert!(lift.lower == -1.0 && lift.upper < -0.98, "{lift:?}");
        let many = newcombe_lift(
            &arm(44_700, 8_502),
            &arm(45_489, 8_279),
            Alpha::FIVE_PERCENT,
        );
        let many = many.unwrap();
        assert!((many.lower + 0.068_89).abs() < 1e-4 && (many.upper + 0.016_63).abs() < 1e-4);
        let none = newcombe_lift(&arm(400, 0), &arm(400, 5), Alpha::FIVE_PERCENT);
        assert_eq!(none, Err(MissingReason::ZeroBaseline));
    }
}
