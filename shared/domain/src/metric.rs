//! Metrics: how the events of a user become one number, and what is computed from the numbers of all users.

use super::ids::{EventType, MetricKey};
use serde::{Deserialize, Serialize};

/// How the events of one type become a number per user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 for a user with at least one such event, else 0.
    Conversion,
    /// The user's number of such events.
    Count,
    /// The sum of the values of the user's events; an event without a value adds 0.
    Sum,
}

impl Measure {
    /// All measures with their names in the API.
    pub const ALL: [(&'static str, Self); 3] = [
        ("conversion", Self::Conversion),
        ("count", Self::Count),
        ("sum", Self::Sum),
    ];
}

/// What is computed from the users' numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricKind {
    /// The share of users with at least one event.
    Conversion,
    /// Mean number of events.
    Count,
    /// Mean of the summed values.
    Sum,
    /// A sum over users divided by another sum, such as revenue per order.
    Ratio {
        /// The measure of the numerator.
        measure: Measure,
        /// The denominator.
        denominator: Denominator,
    },
    /// A quantile over users.
    Quantile {
        /// The measure whose quantile it is.
        measure: Measure,
        /// The quantile, between 0 and 1; 0.5 is the median.
        quantile: f64,
    },
}

/// The denominator of a ratio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denominator {
    /// Its event type.
    pub event_type: EventType,
    /// Its measure.
    pub measure: Measure,
}

impl MetricKind {
    /// The names of all kinds in the API.
    pub const NAMES: [&'static str; 5] = ["conversion", "count", "sum", "ratio", "quantile"];

    /// The name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conversion => "conversion",
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Ratio { .. } => "ratio",
            Self::Quantile { .. } => "quantile",
        }
    }

    /// The measure of the metric's own event type.
    pub fn measure(&self) -> Measure {
        match self {
            Self::Conversion => Measure::Conversion,
            Self::Count => Measure::Count,
            Self::Sum => Measure::Sum,
            Self::Ratio { measure, .. } | Self::Quantile { measure, .. } => *measure,
        }
    }
}

/// The role of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// The experiment is decided by primary metrics.
    Primary,
    /// A guardrail must not get worse.
    Guardrail,
    /// A secondary metric is only reported.
    #[default]
    Secondary,
}

impl MetricRole {
    /// All roles with their names in the API.
    pub const ALL: [(&'static str, Self); 3] = [
        ("primary", Self::Primary),
        ("secondary", Self::Secondary),
        ("guardrail", Self::Guardrail),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Guardrail => "guardrail",
            Self::Secondary => "secondary",
        }
    }
}

/// The direction that is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Higher is better.
    #[default]
    Increase,
    /// Lower is better.
    Decrease,
}

impl Direction {
    /// Both directions with their names in the API.
    pub const ALL: [(&'static str, Self); 2] =
        [("increase", Self::Increase), ("decrease", Self::Decrease)];

    /// +1 if higher is better, −1 if lower is.
    pub fn sign(self) -> f64 {
        match self {
            Self::Increase => 1.0,
            Self::Decrease => -1.0,
        }
    }
}

/// A metric of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Unique within the experiment.
    pub key: MetricKey,
    /// What is computed from the users' numbers.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// The event type.
    pub event_type: EventType,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Its role.
    #[serde(default)]
    pub role: MetricRole,
    /// The direction that is better.
    #[serde(default)]
    pub direction: Direction,
    /// Percentile capping, such as 0.999: values above this quantile of all values other than 0 count as the quantile,
    /// and negative values below the opposite quantile likewise. Results show the capped effect beside the plain one.
    /// For counts and sums.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap_percentile: Option<f64>,
    /// The largest acceptable loss of a guardrail, relative to the mean of the baseline. A variant ships only if a
    /// larger loss is ruled out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin: Option<f64>,
}

impl Metric {
    /// The quantities that the metric is computed from: its own, and the denominator of a ratio.
    pub fn quantities(&self) -> impl Iterator<Item = (&EventType, Measure)> {
        let below = match &self.kind {
            MetricKind::Ratio { denominator, .. } => {
                Some((&denominator.event_type, denominator.measure))
            }
            _ => None,
        };
        std::iter::once((&self.event_type, self.kind.measure())).chain(below)
    }

    /// Whether sums are not enough: quantiles and caps need the distribution of the users' values.
    pub fn needs_buckets(&self) -> bool {
        self.cap_percentile.is_some() || matches!(self.kind, MetricKind::Quantile { .. })
    }

    /// The name, else the key.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.key.as_str())
    }

    /// The quoted name, for sentences.
    pub fn quoted(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| format!("`{}`", self.key), |name| format!("“{name}”"))
    }

    /// The metrics of an event type in an experiment without declared metrics: conversion and count.
    pub fn of_seen_type(event_type: &EventType) -> [Self; 2] {
        [MetricKind::Conversion, MetricKind::Count].map(|kind| Self {
            key: MetricKey::of_seen_type(event_type, kind.name()),
            kind,
            event_type: event_type.clone(),
            name: None,
            role: MetricRole::Secondary,
            direction: Direction::Increase,
            cap_percentile: None,
            margin: None,
        })
    }
}

/// The part of a metric that decides its sums. Metrics with equal specs have equal sums, whatever their names and roles
/// are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSpec {
    /// Unique within the experiment.
    pub key: MetricKey,
    /// The event type.
    pub event_type: EventType,
    /// The measure.
    pub measure: Measure,
    /// The denominator of a ratio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denominator: Option<Denominator>,
    /// Whether users are also counted by the size of their value, in buckets.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub buckets: bool,
}

impl From<&Metric> for MetricSpec {
    fn from(metric: &Metric) -> Self {
        Self {
            key: metric.key.clone(),
            event_type: metric.event_type.clone(),
            measure: metric.kind.measure(),
            denominator: match &metric.kind {
                MetricKind::Ratio { denominator, .. } => Some(denominator.clone()),
                _ => None,
            },
            buckets: metric.needs_buckets(),
        }
    }
}

impl MetricSpec {
    /// The quantities that the metric is computed from: its own, and the denominator of a ratio.
    pub fn quantities(&self) -> impl Iterator<Item = (&EventType, Measure)> {
        let below = self.denominator.as_ref();
        let below = below.map(|below| (&below.event_type, below.measure));
        std::iter::once((&self.event_type, self.measure)).chain(below)
    }
}
