//! Ratio metrics: a sum of numerators divided by a sum of denominators, such as revenue per order.
//!
//! The unit of analysis is the user. The variance of the ratio follows from the covariance of
//! numerator and denominator between users, not between events (Deng, Knoblich & Lu 2018).

use super::double_double::DoubleDouble;
use super::joint::JointSample;
use super::missing::{MissingReason, finite};
use super::sample::Sample;

/// A linearised variance below this share of its terms is a rounding error and counts as 0.
const ROUNDING: f64 = 1e-12;

/// The ratio of quantity 0 (numerator) to quantity 1 (denominator) as a sample.
///
/// The mean of the sample is the ratio of the sums. Its variance is the delta-method variance per
/// user.
///
/// # Errors
/// [`MissingReason::ZeroDenominator`] if the sum of the denominators is zero;
/// [`MissingReason::ZeroVariance`] if every user has the same ratio, because the delta method then
/// cannot measure the variance.
pub fn ratio(arm: &JointSample) -> Result<Sample, MissingReason> {
    let sample = ratio_estimate(arm)?;
    if sample.variance() == 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    Ok(sample)
}

/// The same as [`ratio`], with the variance 0 if every user has the same ratio.
///
/// # Errors
/// [`MissingReason::ZeroDenominator`] if the sum of the denominators is zero.
pub fn ratio_estimate(arm: &JointSample) -> Result<Sample, MissingReason> {
    let ratio = LinearisedRatio::of(arm, 0, 1).ok_or(MissingReason::ZeroDenominator)?;
    Sample::from_parts(arm.n(), ratio.ratio, ratio.variance(arm))
}

/// The value of a ratio metric from the exact sums of numerator and denominator, in the same unit. It
/// needs no variance, so a single user is enough.
///
/// # Errors
/// [`MissingReason::ZeroDenominator`] if the denominator is zero.
pub fn ratio_of_sums(numerator: i128, denominator: i128) -> Result<f64, MissingReason> {
    if denominator == 0 {
        return Err(MissingReason::ZeroDenominator);
    }
    let quotient = DoubleDouble::from(numerator).over(DoubleDouble::from(denominator));
    finite(quotient.to_f64())
}

/// A ratio metric with its pre-exposure ratio as covariate, as the input of [`super::cuped()`].
///
/// `arm` holds four quantities: numerator, denominator, pre-exposure numerator and pre-exposure
/// denominator. The result holds two: the ratio and the pre-exposure ratio.
///
/// If the sum of the pre-exposure denominators is zero, the covariate is constant and CUPED changes
/// nothing.
///
/// # Errors
/// [`MissingReason::ZeroDenominator`] if the sum of the denominators is zero.
pub fn ratio_with_pre_exposure(arm: &JointSample) -> Result<JointSample, MissingReason> {
    let metric = LinearisedRatio::of(arm, 0, 1).ok_or(MissingReason::ZeroDenominator)?;
    let Some(pre_exposure) = LinearisedRatio::of(arm, 2, 3) else {
        let means = vec![metric.ratio, 0.0.into()];
        return JointSample::from_parts(arm.n(), means, vec![metric.variance(arm), 0.0, 0.0]);
    };
    let covariances = vec![
        metric.variance(arm),
        metric.covariance(&pre_exposure, arm),
        pre_exposure.variance(arm),
    ];
    let means = vec![metric.ratio, pre_exposure.ratio];
    JointSample::from_parts(arm.n(), means, covariances)
}

/// A ratio linearised per user: (numerator - ratio * denominator) / mean denominator.
struct LinearisedRatio {
    numerator: usize,
    denominator: usize,
    ratio: DoubleDouble,
    mean_denominator: f64,
}

impl LinearisedRatio {
    fn of(arm: &JointSample, numerator: usize, denominator: usize) -> Option<Self> {
        let mean_denominator = arm.mean(denominator);
        if mean_denominator == 0.0 {
            return None;
        }
        let ratio = arm.exact_mean(numerator).over(arm.exact_mean(denominator));
        Some(Self {
            numerator,
            denominator,
            ratio,
            mean_denominator,
        })
    }

    fn variance(&self, arm: &JointSample) -> f64 {
        self.covariance(self, arm).max(0.0)
    }

    fn covariance(&self, other: &Self, arm: &JointSample) -> f64 {
        let (r, s) = (self.ratio.to_f64(), other.ratio.to_f64());
        let terms = [
            arm.covariance(self.numerator, other.numerator),
            -s * arm.covariance(self.numerator, other.denominator),
            -r * arm.covariance(self.denominator, other.numerator),
            r * s * arm.covariance(self.denominator, other.denominator),
        ];
        let sum: f64 = terms.iter().sum();
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        if sum.abs() <= ROUNDING * size {
            return 0.0;
        }
        sum / self.mean_denominator / other.mean_denominator
    }
}
