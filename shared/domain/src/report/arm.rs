//! A metric in one variant: its value, and the sums that the value follows from.

use crate::ids::VariantKey;
use crate::metric::{Direction, Metric, MetricKind};
use crate::sums::MetricSums;
use serde::Serialize;
use stats::{
    Alpha, ArmPosterior, BestArm, JointSample, MissingReason, Moments, Proportion,
    QuantileEstimate, Sample, best_arm, ratio_estimate, ratio_of_sums,
};

/// The estimate of a metric in one variant.
#[derive(Debug, Clone)]
pub(super) enum Observed {
    Rate(Proportion),
    Mean(Moments),
    /// A ratio has a value from one user on, and noise from two users on.
    Ratio(f64, Result<Sample, MissingReason>),
    /// A quantile has a value from one user on. Its noise is unknown if many users have the same value.
    Quantile(f64, Result<QuantileEstimate, MissingReason>),
}

/// The users of one variant with their sums for one metric.
#[derive(Debug, Clone)]
pub(super) struct Arm<'t> {
    pub(super) key: &'t VariantKey,
    /// The variant's share of the traffic, 0 to 1.
    pub(super) share: f64,
    pub(super) users: u64,
    pub(super) sums: MetricSums,
    pub(super) observed: Result<Observed, MissingReason>,
}

impl<'t> Arm<'t> {
    pub(super) fn new(
        metric: &Metric,
        key: &'t VariantKey,
        share: f64,
        users: u64,
        sums: Option<&MetricSums>,
        alpha: Alpha,
    ) -> Self {
        let sums = sums.cloned().unwrap_or_default();
        Self {
            key,
            share,
            users,
            observed: Observed::of(metric, users, &sums, alpha),
            sums,
        }
    }

    pub(super) fn sample(&self) -> Result<Sample, MissingReason> {
        self.observed.as_ref().map_err(|why| *why)?.sample()
    }

    /// The metric with its covariates.
    pub(super) fn with_pre_exposure(&self, metric: &Metric) -> Result<JointSample, MissingReason> {
        match metric.kind {
            MetricKind::Ratio { .. } => {
                let joint = self.sums.cross_moments(&[0, 1, 2, 3], self.users);
                stats::ratio_with_pre_exposure(&joint.joint_sample()?)
            }
            MetricKind::Quantile { .. } => Err(MissingReason::NotAdjustable),
            _ => self
                .sums
                .cross_moments(&[0, 1, 2], self.users)
                .joint_sample(),
        }
    }
}

impl Observed {
    pub(super) fn of(
        metric: &Metric,
        users: u64,
        sums: &MetricSums,
        alpha: Alpha,
    ) -> Result<Self, MissingReason> {
        match &metric.kind {
            MetricKind::Conversion => {
                let converted =
                    u64::try_from(sums.converted).map_err(|_| MissingReason::Inconsistent)?;
                Proportion::new(users, converted).map(Self::Rate)
            }
            MetricKind::Count | MetricKind::Sum => Ok(Self::Mean(sums.moments(0, users))),
            MetricKind::Ratio { .. } => {
                if users == 0 {
                    return Err(MissingReason::NoUnits);
                }
                let value = ratio_of_sums(sums.sums[0], sums.sums[1])?;
                let joint = sums.cross_moments(&[0, 1], users).joint_sample();
                let sample = joint.and_then(|joint| ratio_estimate(&joint));
                Ok(Self::Ratio(value, sample))
            }
            MetricKind::Quantile { quantile, .. } => {
                let histogram = sums.histogram(users)?;
                let value = histogram.quantile(*quantile)?;
                let estimate = histogram.quantile_estimate(*quantile, alpha);
                Ok(Self::Quantile(value, estimate))
            }
        }
    }

    pub(super) fn sample(&self) -> Result<Sample, MissingReason> {
        match self {
            Self::Rate(rate) => rate.sample(),
            Self::Mean(moments) => moments.sample(),
            Self::Ratio(_, sample) => *sample,
            Self::Quantile(_, estimate) => (*estimate)?.sample(),
        }
    }

    /// The value that is shown.
    pub(super) fn value(&self) -> Result<f64, MissingReason> {
        match self {
            Self::Rate(rate) => Ok(rate.rate()),
            Self::Mean(moments) => moments.mean(),
            Self::Ratio(value, _) | Self::Quantile(value, _) => Ok(*value),
        }
    }

    fn variance(&self) -> Result<f64, MissingReason> {
        match self {
            Self::Rate(rate) => Ok(rate.variance()),
            Self::Mean(moments) => moments.variance(),
            Self::Ratio(..) | Self::Quantile(..) => self.sample().map(|sample| sample.variance()),
        }
    }
}

/// A metric in one variant, with the sums that it follows from.
#[derive(Debug, Clone, Serialize)]
pub struct VariantValue {
    /// The variant.
    pub key: VariantKey,
    /// Assigned users, with and without events.
    pub users: u64,
    /// Users with at least one event.
    pub converted: u64,
    /// Σ over users, exactly.
    pub sum: String,
    /// Σ of squares over users, exactly.
    pub sum_squares: String,
    /// The denominator of a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<DenominatorSums>,
    /// Mean per user; for a conversion the rate, for a ratio and a quantile their value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Unbiased variance over users; p(1−p) for a conversion. For a ratio or a quantile, the variance of its linearised
    /// value per user. variance / users is the squared standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// Probability that this variant is the best of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance_to_be_best: Option<f64>,
    /// Mean of the probabilities of being the best and the second best: the share of new users that would find the best
    /// variant soonest (top-two Thompson sampling).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_two_weight: Option<f64>,
    /// Why mean or variance is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

/// The probability of each arm to be the best. None while an arm has no data.
fn contest(metric: &Metric, arms: &[Arm<'_>]) -> Option<BestArm> {
    let decrease = metric.direction == Direction::Decrease;
    let posterior = |arm: &Arm<'_>| {
        #[expect(clippy::cast_precision_loss, reason = "counts of users")]
        if let Ok(Observed::Rate(rate)) = &arm.observed {
            let (a, b) = (1.0 + rate.conversions() as f64, 1.0 + rate.misses() as f64);
            let (a, b) = if decrease { (b, a) } else { (a, b) };
            return Some(ArmPosterior::Beta { a, b });
        }
        let sample = arm.sample().ok()?;
        Some(ArmPosterior::Normal {
            mean: sample.mean() * metric.direction.sign(),
            standard_deviation: sample.mean_variance().sqrt(),
        })
    };
    let posteriors: Option<Vec<ArmPosterior>> = arms.iter().map(posterior).collect();
    best_arm(&posteriors?).ok()
}

/// The exact sums of the denominator of a ratio.
#[derive(Debug, Clone, Serialize)]
pub struct DenominatorSums {
    /// Σ over users.
    pub sum: String,
    /// Σ of squares over users.
    pub sum_squares: String,
    /// Σ of numerator times denominator over users.
    pub sum_products: String,
}

impl VariantValue {
    /// All variants of a metric.
    pub(super) fn all(metric: &Metric, arms: &[Arm<'_>]) -> Vec<Self> {
        let mut values: Vec<Self> = arms.iter().map(|arm| Self::new(metric, arm)).collect();
        if let Some(contest) = contest(metric, arms) {
            let chances = contest.best.iter().zip(&contest.top_two);
            for (value, (best, top_two)) in values.iter_mut().zip(chances) {
                value.chance_to_be_best = Some(*best);
                value.top_two_weight = Some(*top_two);
            }
        }
        values
    }

    pub(super) fn new(metric: &Metric, arm: &Arm<'_>) -> Self {
        let numbers = arm
            .observed
            .as_ref()
            .map_err(|why| *why)
            .and_then(|observed| Ok((observed.value()?, observed.variance())));
        let (mean, variance, missing) = match numbers {
            Ok((mean, Ok(variance))) => (Some(mean), Some(variance), None),
            Ok((mean, Err(missing))) => (Some(mean), None, Some(missing)),
            Err(missing) => (None, None, Some(missing)),
        };
        let is_ratio = matches!(metric.kind, MetricKind::Ratio { .. });
        Self {
            key: arm.key.clone(),
            users: arm.users,
            converted: u64::try_from(arm.sums.converted).unwrap_or_default(),
            sum: arm.sums.exact_sum(0),
            sum_squares: arm.sums.exact_product(0, 0),
            denominator: is_ratio.then(|| DenominatorSums {
                sum: arm.sums.exact_sum(1),
                sum_squares: arm.sums.exact_product(1, 1),
                sum_products: arm.sums.exact_product(0, 1),
            }),
            mean,
            variance,
            chance_to_be_best: None,
            top_two_weight: None,
            missing,
        }
    }
}
