//! The metric that is planned for, as the control is expected to have it.

use crate::Invalid;
use crate::ids::{ExperimentId, MetricKey};
use crate::metric::MetricKind;
use crate::sums::MetricSums;
use serde::Serialize;
use stats::{MissingReason, Proportion, Rates, ratio};

/// The kinds of metrics that are planned for: those of which a rate, or mean and standard deviation, tell enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedKind {
    /// The share of users with at least one event.
    Conversion,
    /// Mean number of events.
    Count,
    /// Mean of the summed values.
    Sum,
    /// A sum over users divided by another one.
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

    /// That of a metric; none of a quantile: its noise depends on how crowded the users are around it, which no moment
    /// tells.
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

/// The metric that is planned for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedMetric {
    /// What it tells of the users.
    pub kind: PlannedKind,
    /// The key that it has in the experiment, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<MetricKey>,
    /// Its value as the control is expected to have it.
    #[serde(flatten)]
    pub baseline: Baseline,
    /// Where that was seen, unless somebody said so.
    #[serde(skip)]
    pub source: Option<BaselineSource>,
}

/// Where a baseline comes from: all users of the control of a earlier experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineSource {
    /// The earlier experiment.
    pub experiment_id: ExperimentId,
    /// Its metric.
    pub metric: MetricKey,
    /// Users of its control, outlier users excepted.
    pub users: u64,
    /// What they showed.
    #[serde(flatten)]
    pub baseline: Baseline,
}

/// A metric as the control is expected to have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Baseline {
    /// A conversion.
    Rate {
        /// Share of the users who convert, strictly between 0 and 1.
        rate: f64,
    },
    /// Anything else, with the same spread in every variant.
    Moments {
        /// Mean over users, not 0; of a ratio its value.
        mean: f64,
        /// Standard deviation over users, above 0; of a ratio that of one user's share in its noise.
        standard_deviation: f64,
    },
}

impl Baseline {
    /// A conversion rate.
    ///
    /// # Errors
    /// If nobody or everybody converts: there is nothing to plan by.
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
    /// If the mean is zero, to which nothing is relative, or if there is no spread.
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

    /// What so many users with these sums show: the rate, the mean with the sample's standard deviation, or a ratio with
    /// that of its linearisation (the delta method, [`ratio`]).
    ///
    /// # Errors
    /// If there are too few users for it, or if they show nothing that can be planned by.
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

    /// Checks that it can change by a lift: a rate stays a rate.
    ///
    /// # Errors
    /// If the rate would data range everybody.
    pub fn can_change(&self, lift: f64) -> Result<(), Invalid> {
        match *self {
            Self::Rate { rate } if rate * (1.0 + lift) >= 1.0 => {
                let most = 1.0 / rate - 1.0;
                let detail = format!(
                    "A rate of {rate} cannot rise by that much: it would data_range 1 at a lift of {most}."
                );
                Err(Invalid::new("out_of_range", detail))
            }
            _ => Ok(()),
        }
    }

    /// What a treatment with this lift differs by.
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

/// A difference between control and treatment, and the noise it has to stand out from.
pub(super) struct Expected {
    /// Treatment minus control.
    pub(super) difference: f64,
    /// Of one user: control, treatment.
    pub(super) variances: (f64, f64),
}
