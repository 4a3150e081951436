//! CUPED: variance reduction with pre-exposure covariates (Deng, Xu, Kohavi & Walker 2013; Lin 2013).
//!
//! The expected pre-exposure covariates are equal in both arms. Subtracting the part of the metric
//! that they predict therefore adds no bias. Users without pre-exposure data have covariate 0 and stay
//! in the analysis. A second covariate, whether the user has pre-exposure data, corrects for this.

use super::effect::{Effect, FixedTest};
use super::joint::JointSample;
use super::level::{Alpha, Alternative};
use super::means::difference;
use super::missing::MissingReason;
use super::sample::Sample;

/// If the adjusted variance is at most this share of the unadjusted variance, the covariate is the
/// metric itself.
const MIN_REMAINING_VARIANCE: f64 = 1e-12;
/// A covariate is redundant if at most this share of its variance is not explained by the covariates
/// before it.
const REDUNDANT_SHARE: f64 = 1e-10;

/// Both arms and the effect after the CUPED adjustment.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjustment {
    /// Coefficient of each covariate. It is 0 if the covariate is constant or redundant.
    pub coefficients: Vec<f64>,
    /// Share of the effect's variance that CUPED removes, at most 1. It is negative if CUPED increases
    /// the variance.
    pub variance_reduction: f64,
    /// The CUPED-adjusted control arm.
    pub control: Sample,
    /// The CUPED-adjusted treatment arm.
    pub treatment: Sample,
    /// CUPED-adjusted treatment mean minus CUPED-adjusted control mean, in metric units.
    pub absolute: Effect,
    /// The absolute effect divided by |unadjusted control mean|.
    pub relative: Result<Effect, MissingReason>,
}

/// Adjusts quantity 0 of both arms, the metric, by the quantities after it, the covariates.
///
/// The coefficients are estimated from both arms together.
///
/// # Errors
/// [`MissingReason::CovariateIsTheMetric`] if the covariates explain the metric entirely;
/// [`MissingReason::ZeroVariance`] if the metric does not vary; [`MissingReason::OutOfRange`] if the
/// arms have different numbers of quantities; [`MissingReason::Overflow`] if a result is not finite.
pub fn cuped(control: &JointSample, treatment: &JointSample) -> Result<Adjustment, MissingReason> {
    let quantities = control.quantities();
    if treatment.quantities() != quantities {
        return Err(MissingReason::OutOfRange("covariates"));
    }
    let coefficients = coefficients(control, treatment);
    let weight_c = control.n() as f64 / (control.n() as f64 + treatment.n() as f64);
    let shift = |i: usize| {
        treatment
            .exact_mean(i)
            .minus(control.exact_mean(i))
            .to_f64()
    };
    let predicted: f64 = (1..)
        .zip(&coefficients)
        .map(|(i, theta)| theta * shift(i))
        .sum();

    // Both means are adjusted to the pooled means of the covariates. Their difference changes by the
    // whole predicted difference.
    let adjusted = |arm: &JointSample, moved: f64| {
        let mean = arm.exact_mean(0).minus(moved.into());
        Sample::from_parts(arm.n(), mean, adjusted_variance(arm, &coefficients, 1.0))
    };
    let adjusted_control = adjusted(control, -(1.0 - weight_c) * predicted)?;
    let adjusted_treatment = adjusted(treatment, weight_c * predicted)?;

    let raw = difference(&control.sample(0)?, &treatment.sample(0)?)?;
    let variance = adjusted_control.mean_variance() + adjusted_treatment.mean_variance();
    let kept = variance / raw.standard_error().powi(2);
    if kept <= MIN_REMAINING_VARIANCE {
        return Err(MissingReason::CovariateIsTheMetric);
    }
    let absolute = difference(&adjusted_control, &adjusted_treatment)?;
    let relative = relative_difference(
        control,
        treatment,
        &coefficients,
        &adjusted_treatment,
        &absolute,
    );
    Ok(Adjustment {
        variance_reduction: 1.0 - kept,
        control: adjusted_control,
        treatment: adjusted_treatment,
        absolute,
        relative,
        coefficients,
    })
}

/// Variance per unit of `ratio` times the metric minus its prediction.
fn adjusted_variance(arm: &JointSample, coefficients: &[f64], ratio: f64) -> f64 {
    let mut variance = ratio * ratio * arm.covariance(0, 0);
    for (i, theta_i) in (1..).zip(coefficients) {
        variance -= 2.0 * ratio * theta_i * arm.covariance(0, i);
        for (j, theta_j) in (1..).zip(coefficients) {
            variance += theta_i * theta_j * arm.covariance(i, j);
        }
    }
    variance.max(0.0)
}

/// The relative effect with its delta-method standard error.
///
/// The control mean is in the numerator (adjusted) and in the denominator (unadjusted), so the
/// gradient includes both. Without this, the standard error is 39% too small at correlation 0.99.
fn relative_difference(
    control: &JointSample,
    treatment: &JointSample,
    coefficients: &[f64],
    adjusted_treatment: &Sample,
    absolute: &Effect,
) -> Result<Effect, MissingReason> {
    let baseline = control.mean(0);
    if baseline == 0.0 {
        return Err(MissingReason::ZeroBaseline);
    }
    let ratio = treatment.mean(0) / baseline;
    let control_part = adjusted_variance(control, coefficients, ratio) / control.n() as f64;
    let standard_error =
        (adjusted_treatment.mean_variance() + control_part).sqrt() / baseline.abs();
    Effect::new(
        absolute.value() / baseline.abs(),
        standard_error,
        absolute.degrees_of_freedom(),
        absolute.units(),
    )
}

/// The least-squares coefficients of the metric on its covariates over both arms together, by a
/// Cholesky decomposition that skips redundant covariates.
fn coefficients(control: &JointSample, treatment: &JointSample) -> Vec<f64> {
    let covariates = control.quantities() - 1;
    let pooled = |i: usize, j: usize| {
        let (n_c, n_t) = (control.n() as f64, treatment.n() as f64);
        let shift = |k: usize| {
            treatment
                .exact_mean(k)
                .minus(control.exact_mean(k))
                .to_f64()
        };
        (n_c - 1.0) * control.covariance(i, j)
            + (n_t - 1.0) * treatment.covariance(i, j)
            + n_c / (n_c + n_t) * n_t * shift(i) * shift(j)
    };
    // One row of the factor per covariate that is kept, with the covariate's index.
    let mut rows: Vec<(usize, Vec<f64>, f64)> = Vec::new();
    for i in 1..=covariates {
        let mut row = Vec::with_capacity(rows.len() + 1);
        for (j, other, _) in &rows {
            let known: f64 = other
                .iter()
                .zip(&row)
                .map(|(a, b): (&f64, &f64)| a * b)
                .sum();
            let own = other.last().copied().unwrap_or(1.0);
            row.push((pooled(*j, i) - known) / own);
        }
        let total = pooled(i, i);
        let own = total - row.iter().map(|x| x * x).sum::<f64>();
        if own <= REDUNDANT_SHARE * total || own <= 0.0 {
            continue;
        }
        let own = own.sqrt();
        let known: f64 = rows
            .iter()
            .zip(&row)
            .map(|((_, _, solved), x)| solved * x)
            .sum();
        let solved = (pooled(0, i) - known) / own;
        row.push(own);
        rows.push((i, row, solved));
    }
    let mut coefficients = vec![0.0; covariates];
    let mut later: Vec<(Vec<f64>, f64)> = Vec::new();
    for (position, (i, row, solved)) in rows.iter().enumerate().rev() {
        let known: f64 = later
            .iter()
            .map(|(below, theta)| below.get(position).copied().unwrap_or(0.0) * theta)
            .sum();
        let theta = (solved - known) / row.last().copied().unwrap_or(1.0);
        if let Some(slot) = coefficients.get_mut(i - 1) {
            *slot = theta;
        }
        later.push((row.clone(), theta));
    }
    coefficients
}

/// The error level of the pre-exposure balance check.
pub const PRE_EXPOSURE_IMBALANCE_ALPHA: Alpha = Alpha::ONE_PER_MILLE;

/// The pre-exposure balance check: tests whether the covariates differ between the arms. Without a
/// fault, they do not.
///
/// There is one result per covariate, in order. A p-value below [`PRE_EXPOSURE_IMBALANCE_ALPHA`]
/// indicates that the assignment is faulty, or that the covariate is measured after the exposure.
pub fn pre_experiment_bias(
    control: &JointSample,
    treatment: &JointSample,
) -> Vec<Result<FixedTest, MissingReason>> {
    (1..control.quantities())
        .map(|i| {
            difference(&control.sample(i)?, &treatment.sample(i)?)?.test(
                0.0,
                PRE_EXPOSURE_IMBALANCE_ALPHA,
                Alternative::TwoSided,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CrossMoments;
    use crate::means::welch_degrees_of_freedom;

    fn arm(users: &[[i128; 3]]) -> JointSample {
        let mut sums = CrossMoments::empty(3);
        for user in users {
            let micros: Vec<i128> = user.iter().map(|v| v * 1_000_000).collect();
            sums = sums
                .checked_add(&CrossMoments::of_user(&micros).unwrap())
                .unwrap();
        }
        sums.joint_sample().unwrap()
    }

    #[test]
    fn two_covariates_reduce_the_variance_by_more_than_90_percent() {
        // The metric is nearly a linear function of the two covariates.
        let control = arm(&[
            [1, 1, 0],
            [3, 1, 0],
            [-2, 0, 1],
            [0, 0, 1],
            [3, 1, -1],
            [5, 3, 1],
            [4, 3, 2],
        ]);
        let treatment = arm(&[[1, 1, 1], [3, 2, 1], [9, 5, 1], [8, 4, 0], [0, 0, 0]]);
        let adjusted = cuped(&control, &treatment).unwrap();
        assert_eq!(adjusted.coefficients.len(), 2);
        let df = welch_degrees_of_freedom(&adjusted.control, &adjusted.treatment).unwrap();
        assert_eq!(adjusted.absolute.degrees_of_freedom(), Some(df));
        assert!(adjusted.variance_reduction > 0.9);
    }

    #[test]
    fn a_redundant_covariate_has_coefficient_zero() {
        let double = |users: &[[i128; 2]]| -> Vec<[i128; 3]> {
            users.iter().map(|u| [u[0], u[1], 2 * u[1]]).collect()
        };
        let control = double(&[[1, 2], [3, 1], [4, 4], [0, 1]]);
        let treatment = double(&[[2, 2], [5, 3], [1, 1], [7, 4]]);
        let both = cuped(&arm(&control), &arm(&treatment)).unwrap();
        assert_eq!(both.coefficients[1], 0.0);
    }
}
