//! Variance reduction with what was known before the experiment (CUPED).
//!
//! Deng, Xu, Kohavi & Walker 2013; Lin 2013. The part of the metric that the covariates predict is
//! the same in both arms, so that it can be taken away without bias. Users without a past keep
//! covariate 0 and are never dropped; a second covariate "has a past" makes up for it.

use super::effect::{Effect, FixedTest};
use super::joint::JointSample;
use super::level::{Alpha, Alternative};
use super::means::difference;
use super::missing::MissingReason;
use super::sample::Sample;

/// An adjusted variance this much smaller than the raw one means that the covariate is the metric.
const NOTHING_LEFT: f64 = 1e-12;
/// A covariate of which less than this share is its own repeats the covariates before it.
const REDUNDANT: f64 = 1e-10;

/// Both arms after the adjustment.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjustment {
    /// Coefficient of each covariate; 0 for one that is constant or repeats those before it.
    pub coefficients: Vec<f64>,
    /// Share of the effect's variance that the covariates took away; below 0 when they added noise.
    pub variance_reduction: f64,
    /// The control arm, adjusted.
    pub control: Sample,
    /// The treatment arm, adjusted.
    pub treatment: Sample,
    /// CupedAdjusted treatment mean minus adjusted control mean.
    pub absolute: Effect,
    /// The same over |unadjusted control mean|.
    pub relative: Result<Effect, MissingReason>,
}

/// Adjusts quantity 0 of both arms by the quantities after it.
///
/// The coefficients come from both arms taken as one sample. None when the covariates explain the
/// metric entirely (it is then probably its own covariate) or when the metric does not vary.
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

    // Means are moved towards where the pooled covariates are; their difference moves by all of it.
    let adjusted = |arm: &JointSample, moved: f64| {
        let mean = arm.exact_mean(0).minus(moved.into());
        Sample::from_parts(arm.n(), mean, adjusted_variance(arm, &coefficients, 1.0))
    };
    let adjusted_control = adjusted(control, -(1.0 - weight_c) * predicted)?;
    let adjusted_treatment = adjusted(treatment, weight_c * predicted)?;

    let raw = difference(&control.sample(0)?, &treatment.sample(0)?)?;
    let variance = adjusted_control.mean_variance() + adjusted_treatment.mean_variance();
    let kept = variance / raw.standard_error().powi(2);
    if kept <= NOTHING_LEFT {
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

/// Variance of `ratio` times the metric minus its prediction, per unit.
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

/// The control mean is in the numerator (adjusted) and in the denominator (not): the gradient
/// carries both. Leaving that out makes the error 39 % too small at correlation 0.99.
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

/// Least squares of the metric on its covariates over both arms as one sample, by a Cholesky
/// decomposition that leaves redundant covariates out.
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
    // Rows of the factor, one per covariate kept, each with the covariate's own number.
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
        if own <= REDUNDANT * total || own <= 0.0 {
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
        if let Some(place) = coefficients.get_mut(i - 1) {
            *place = theta;
        }
        later.push((row.clone(), theta));
    }
    coefficients
}

/// p below which arms that differ *before* the experiment raise an alarm.
pub const PRE_EXPERIMENT_ALARM: Alpha = Alpha::ONE_PER_MILLE;

/// Tests each covariate as if it were a metric: before the experiment the arms must not differ.
///
/// One result per covariate, in order; alarming below [`PRE_EXPERIMENT_ALARM`]. Then the
/// assignment is broken, or the covariate was measured after it.
pub fn pre_experiment_bias(
    control: &JointSample,
    treatment: &JointSample,
) -> Vec<Result<FixedTest, MissingReason>> {
    (1..control.quantities())
        .map(|i| {
            difference(&control.sample(i)?, &treatment.sample(i)?)?.test(
                0.0,
                PRE_EXPERIMENT_ALARM,
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
    fn two_covariates_give_the_least_squares_coefficients() {
        // y = 2 a - b + noise that is orthogonal to both over these eight users.
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
    fn a_covariate_that_repeats_another_changes_nothing() {
        let double = |users: &[[i128; 2]]| -> Vec<[i128; 3]> {
            users.iter().map(|u| [u[0], u[1], 2 * u[1]]).collect()
        };
        let control = double(&[[1, 2], [3, 1], [4, 4], [0, 1]]);
        let treatment = double(&[[2, 2], [5, 3], [1, 1], [7, 4]]);
        let both = cuped(&arm(&control), &arm(&treatment)).unwrap();
        assert_eq!(both.coefficients[1], 0.0);
    }
}
