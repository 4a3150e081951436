//! A metric in one variant: its value, and the sums that it follows from.

use crate::domain::ids::VariantKey;
use crate::domain::metric::{Metric, MetricKind};
use crate::domain::sums::MetricSums;
use crate::stats::{
    Alpha, JointSample, Moments, Proportion, QuantileEstimate, Sample, Undefined, ratio,
};
use serde::Serialize;

/// What a metric shows in one variant.
#[derive(Debug, Clone)]
pub(super) enum Observed {
    Rate(Proportion),
    Mean(Moments),
    Ratio(Sample),
    Quantile(QuantileEstimate),
}

/// One variant's users with their sums for one metric.
#[derive(Debug, Clone)]
pub(super) struct Arm<'t> {
    pub(super) key: &'t VariantKey,
    /// The variant's share of the traffic, from 0 to 1.
    pub(super) share: f64,
    pub(super) users: u64,
    pub(super) sums: MetricSums,
    pub(super) observed: Result<Observed, Undefined>,
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

    pub(super) fn sample(&self) -> Result<Sample, Undefined> {
        self.observed.as_ref().map_err(|why| *why)?.sample()
    }

    /// The metric with its covariates.
    pub(super) fn with_past(&self, metric: &Metric) -> Result<JointSample, Undefined> {
        match metric.kind {
            MetricKind::Ratio { .. } => {
                let joint = self.sums.cross_moments(&[0, 1, 2, 3], self.users);
                crate::stats::ratio_with_past(&joint.joint_sample()?)
            }
            MetricKind::Quantile { .. } => Err(Undefined::NotAdjustable),
            _ => self
                .sums
                .cross_moments(&[0, 1, 2], self.users)
                .joint_sample(),
        }
    }
}

impl Observed {
    fn of(metric: &Metric, users: u64, sums: &MetricSums, alpha: Alpha) -> Result<Self, Undefined> {
        match &metric.kind {
            MetricKind::Conversion => {
                let converted =
                    u64::try_from(sums.converted).map_err(|_| Undefined::Inconsistent)?;
                Proportion::new(users, converted).map(Self::Rate)
            }
            MetricKind::Count | MetricKind::Sum => Ok(Self::Mean(sums.moments(0, users))),
            MetricKind::Ratio { .. } => {
                let joint = sums.cross_moments(&[0, 1], users).joint_sample()?;
                ratio(&joint).map(Self::Ratio)
            }
            MetricKind::Quantile { quantile, .. } => sums
                .histogram(users)?
                .quantile_estimate(*quantile, alpha)
                .map(Self::Quantile),
        }
    }

    pub(super) fn sample(&self) -> Result<Sample, Undefined> {
        match self {
            Self::Rate(rate) => rate.sample(),
            Self::Mean(moments) => moments.sample(),
            Self::Ratio(sample) => Ok(*sample),
            Self::Quantile(estimate) => estimate.sample(),
        }
    }

    /// The value that is shown.
    fn value(&self) -> Result<f64, Undefined> {
        match self {
            Self::Rate(rate) => Ok(rate.rate()),
            Self::Mean(moments) => moments.mean(),
            Self::Ratio(sample) => Ok(sample.mean()),
            Self::Quantile(estimate) => Ok(estimate.estimate),
        }
    }

    fn variance(&self) -> Result<f64, Undefined> {
        match self {
            Self::Rate(rate) => Ok(rate.variance()),
            Self::Mean(moments) => moments.variance(),
            Self::Ratio(_) | Self::Quantile(_) => self.sample().map(|sample| sample.variance()),
        }
    }
}

/// A metric in one variant, with the sums that it follows from.
#[derive(Debug, Clone, Serialize)]
pub struct VariantValue {
    /// Which variant.
    pub key: VariantKey,
    /// Users assigned: every one counts, with or without an event.
    pub users: u64,
    /// Users with at least one event.
    pub converted: u64,
    /// Σ over users, exactly.
    pub sum: String,
    /// Σ of squares over users, exactly.
    pub sum_squares: String,
    /// What a ratio is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<DenominatorSums>,
    /// Mean per user; for a conversion the rate, for a ratio and a quantile their value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Unbiased variance over users; for a conversion p(1−p); for a ratio and a quantile that of one user's share in
    /// the value, so that variance / users is the squared standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// Why mean or variance is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
}

/// The sums of what a ratio is divided by, exactly.
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
    pub(super) fn new(metric: &Metric, arm: &Arm<'_>) -> Self {
        let numbers = arm
            .observed
            .as_ref()
            .map_err(|why| *why)
            .and_then(|observed| Ok((observed.value()?, observed.variance())));
        let (mean, variance, undefined) = match numbers {
            Ok((mean, Ok(variance))) => (Some(mean), Some(variance), None),
            Ok((mean, Err(undefined))) => (Some(mean), None, Some(undefined)),
            Err(undefined) => (None, None, Some(undefined)),
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
            undefined,
        }
    }
}
