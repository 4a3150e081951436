//! Two conversion rates: the pooled z test, and intervals that also work with no conversions.

use serde::Serialize;

use super::distributions::normal_upper_quantile;
use super::effect::{Effect, FixedTest, Interval, p_value};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::p_value::PValue;
use super::proportion::Proportion;

/// The two-proportion z test with the interval that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProportionTest {
    /// Treatment rate minus control rate.
    pub difference: f64,
    /// Rate of both arms taken together, on which the test is based.
    pub pooled_rate: f64,
    /// Standard error of the difference if both arms had the pooled rate.
    pub pooled_standard_error: f64,
    /// Difference in pooled standard errors.
    pub z: f64,
    /// Under the normal distribution.
    pub p_value: PValue,
    /// Newcombe's interval of the difference at 1 - alpha (two-sided, whatever the alternative).
    pub interval: Interval,
}

/// Tests whether two conversion rates differ: pooled z, with Newcombe's interval.
///
/// None when all users of both arms converted, or nobody did; [`newcombe`] still has an interval.
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

/// Treatment rate minus control rate, over one common denominator so that nothing cancels.
pub fn rate_difference(control: &Proportion, treatment: &Proportion) -> f64 {
    let (n_c, n_t) = (u128::from(control.n()), u128::from(treatment.n()));
    let left = u128::from(treatment.conversions()) * n_c;
    let right = u128::from(control.conversions()) * n_t;
    let size = left.abs_diff(right) as f64 / (n_c as f64 * n_t as f64);
    if left < right { -size } else { size }
}

/// The unpooled (Wald) z test; kept for comparison with other tools.
///
/// Its interval can leave [-1, 1] and is too short with few conversions; none when neither arm
/// varies.
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

/// Newcombe's hybrid interval of the difference (1998, method 10): the one to show.
///
/// Stays inside [-1, 1] and has its nominal coverage also without any conversion.
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

/// Wilson's interval of one conversion rate (1927).
pub fn wilson(arm: &Proportion, alpha: Alpha) -> Result<Interval, MissingReason> {
    let z = normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
    let (below, above) = wilson_distances(arm, z);
    Interval::between((arm.rate() - below).max(0.0), (arm.rate() + above).min(1.0))
}

/// How far Wilson's ends are below and above the rate.
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

/// Agresti and Caffo's interval (2000): Wald's after one more success and failure in each arm.
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
