//! The planned metric, as it is expected in the control.

use crate::Invalid;
use crate::ids::{ExperimentId, MetricKey};
use crate::metric::MetricKind;
use crate::sums::MetricSums;
use serde::Serialize;
use stats::{MissingReason, Proportion, Rates, ratio};

/// The kinds of metrics that can be planned: those for which a rate, or a mean and a standard deviation, are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedKind {
    /// The share of users with at least one event.
    Conversion,
    /// Mean number of events.
    Count,
    /// Mean of the summed values.
    Sum,
    /// A sum over users divided by another sum.
    Ratio,
}

impl PlannedKind {
    /// All kinds with their names in the API.
    pub const ALL: [(&'static str, Self); 4] = [
        ("conversion", Self::Conversion),
        ("count", Self::Count),
        ("sum", Self::Sum),
        ("ratio", Self::Ratio),
    ];

    /// The kind of a metric. None for a quantile: its variance depends on the density of values near it, which moments
    /// do not give.
    pub fn of(kind: &MetricKind) -> Option<Self> {
        match kind {
            MetricKind::Conversion => Some(Self::Conversion),
            MetricKind::Count => Some(Self::Count),
            MetricKind::Sum => Some(Self::Sum),
            MetricKind::Ratio { .. } => Some(Self::Ratio),
            MetricKind::Quantile { .. } => None,
        }
    }
}

/// The planned metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedMetric {
    /// Its kind.
    pub kind: PlannedKind,
    /// Its key in the experiment, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<MetricKey>,
    /// Its value, as it is expected in the control.
    #[serde(flatten)]
    pub baseline: Baseline,
    /// The experiment that the baseline was read from, if it was not stated.
    #[serde(skip)]
    pub source: Option<BaselineSource>,
}

/// The origin of a baseline: all users of the control of an earlier experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineSource {
    /// The earlier experiment.
    pub experiment_id: ExperimentId,
    /// Its metric.
    pub metric: MetricKey,
    /// Users of its control, without outlier users.
    pub users: u64,
    /// Their value of the metric.
    #[serde(flatten)]
    pub baseline: Baseline,
}

/// A metric as it is expected in the control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Baseline {
    /// A conversion.
    Rate {
        /// Share of users that convert, strictly between 0 and 1.
        rate: f64,
    },
    /// Any other metric, with the same standard deviation in every variant.
    Moments {
        /// Mean over users, not 0; the value of a ratio.
        mean: f64,
        /// Standard deviation over users, above 0; for a ratio, that of its linearised value per user.
        standard_deviation: f64,
    },
}

impl Baseline {
    /// A conversion rate.
    ///
    /// # Errors
    /// If no user or every user converts.
    pub fn of_rate(rate: f64) -> Result<Self, MissingReason> {
        match rate {
            0.0 => Err(MissingReason::NoConversions),
            1.0 => Err(MissingReason::AllUsersConverted),
            _ if rate > 0.0 && rate < 1.0 => Ok(Self::Rate { rate }),
            _ => Err(MissingReason::OutOfRange("rate")),
        }
    }

    /// Mean and standard deviation over users.
    ///
    /// # Errors
    /// If the mean is 0, because a lift is relative to it, or if the standard deviation is 0.
    pub fn of_moments(mean: f64, standard_deviation: f64) -> Result<Self, MissingReason> {
        if !mean.is_finite() || !standard_deviation.is_finite() {
            return Err(MissingReason::Overflow);
        }
        if mean == 0.0 {
            return Err(MissingReason::ZeroBaseline);
        }
        if standard_deviation <= 0.0 {
            return Err(MissingReason::ZeroVariance);
        }
        Ok(Self::Moments {
            mean,
            standard_deviation,
        })
    }

    /// The baseline of users with these sums: a rate, a mean with the sample's standard deviation, or a ratio with the
    /// standard deviation of its linearisation (delta method, [`ratio`]).
    ///
    /// # Errors
    /// If there are too few users, or if the baseline cannot be planned with.
    pub fn observed(
        kind: PlannedKind,
        users: u64,
        sums: &MetricSums,
    ) -> Result<Self, MissingReason> {
        match kind {
            PlannedKind::Conversion => {
                let converted =
                    u64::try_from(sums.converted).map_err(|_| MissingReason::Inconsistent)?;
                Self::of_rate(Proportion::new(users, converted)?.rate())
            }
            PlannedKind::Count | PlannedKind::Sum => {
                let moments = sums.moments(0, users);
                Self::of_moments(moments.mean()?, moments.variance()?.sqrt())
            }
            PlannedKind::Ratio => {
                let sample = ratio(&sums.cross_moments(&[0, 1], users).joint_sample()?)?;
                Self::of_moments(sample.mean(), sample.variance().sqrt())
            }
        }
    }

    /// Checks that a lift is possible: the rate of the treatment must be a rate.
    ///
    /// # Errors
    /// If the rate would reach 1.
    pub fn can_change(&self, lift: f64) -> Result<(), Invalid> {
        match *self {
            Self::Rate { rate } if rate * (1.0 + lift) >= 1.0 => {
                let most = 1.0 / rate - 1.0;
                let detail = format!(
                    "A rate of {rate} cannot rise by that much: it would reach 1 at a lift of {most}."
                );
                Err(Invalid::new("out_of_range", detail))
            }
            _ => Ok(()),
        }
    }

    /// The expected difference of a treatment with this lift.
    pub(super) fn with_lift(&self, lift: f64) -> Result<Expected, MissingReason> {
        match *self {
            Self::Rate { rate } => {
                let rates = Rates::new(rate, rate * (1.0 + lift))?;
                Ok(Expected {
                    difference: rates.difference(),
                    variances: (rates.control_variance(), rates.treatment_variance()),
                })
            }
            Self::Moments {
                mean,
                standard_deviation,
            } => {
                let variance = standard_deviation * standard_deviation;
                Ok(Expected {
                    difference: lift * mean.abs(),
                    variances: (variance, variance),
                })
            }
        }
    }
}

/// A difference of two arms, with its variances.
pub(super) struct Expected {
    /// Treatment minus control.
    pub(super) difference: f64,
    /// Variance per user: control, treatment.
    pub(super) variances: (f64, f64),
}
