//! Ratio metrics: a sum of numerators over a sum of denominators, such as revenue per order.
//!
//! Units stay the users: the noise of the ratio comes from how numerator and denominator vary
//! together from user to user (Deng, Knoblich & Lu 2018), not from event to event.

use super::double_double::DoubleDouble;
use super::joint::JointSample;
use super::missing::MissingReason;
use super::sample::Sample;

/// A linearised variance this much smaller than its terms is rounding, not noise.
const ROUNDING: f64 = 1e-12;

/// The ratio of quantity 0 to quantity 1 as a sample: its mean is the ratio of the sums, its
/// variance the delta-method variance per user.
///
/// None when the denominators add up to zero, or when every user has the same ratio: the tangent
/// then says nothing about the noise.
pub fn ratio(arm: &JointSample) -> Result<Sample, MissingReason> {
    let line = Line::of(arm, 0, 1).ok_or(MissingReason::ZeroDenominator)?;
    let variance = line.variance(arm);
    if variance == 0.0 {
        return Err(MissingReason::ZeroVariance);
    }
    Sample::from_parts(arm.n(), line.ratio, variance)
}

/// A ratio metric with its own past as covariate: the quantities numerator, denominator,
/// pre-exposure numerator and pre-exposure denominator become (ratio, past ratio), ready for
/// [`super::cuped()`].
///
/// Users without any past denominator at all make a constant covariate, which adjusts nothing.
pub fn ratio_with_pre_exposure(arm: &JointSample) -> Result<JointSample, MissingReason> {
    let now = Line::of(arm, 0, 1).ok_or(MissingReason::ZeroDenominator)?;
    let Some(past) = Line::of(arm, 2, 3) else {
        let means = vec![now.ratio, 0.0.into()];
        return JointSample::from_parts(arm.n(), means, vec![now.variance(arm), 0.0, 0.0]);
    };
    let covariances = vec![
        now.variance(arm),
        now.covariance(&past, arm),
        past.variance(arm),
    ];
    JointSample::from_parts(arm.n(), vec![now.ratio, past.ratio], covariances)
}

/// A ratio replaced by its tangent, (numerator - ratio * denominator) / mean denominator.
struct Line {
    numerator: usize,
    denominator: usize,
    ratio: DoubleDouble,
    mean_denominator: f64,
}

impl Line {
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
