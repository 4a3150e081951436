//! What is measured: how a user's events become one number.

use super::ids::{EventType, MetricKey};
use serde::{Deserialize, Serialize};

/// How a user's events of one type become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 for a user with at least one such event, else 0.
    Conversion,
    /// How many such events the user has.
    Count,
    /// The sum of the values of the user's events; an event without a value adds nothing.
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

/// What a metric tells of the users' numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricKind {
    /// The share of users with at least one event.
    Conversion,
    /// Mean number of events.
    Count,
    /// Mean of the summed values.
    Sum,
    /// A sum over users divided by another one, such as revenue per order.
    Ratio {
        /// What is summed above the line.
        measure: Measure,
        /// What is summed below the line.
        denominator: Denominator,
    },
    /// A quantile over users.
    Quantile {
        /// Of which number of a user.
        measure: Measure,
        /// Which one, between 0 and 1; 0.5 is the median.
        quantile: f64,
    },
}

/// What a ratio is divided by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denominator {
    /// The events that it is made of.
    pub event_type: EventType,
    /// How they become a user's number.
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

    /// How the events of the metric's own type become a user's number.
    pub fn measure(&self) -> Measure {
        match self {
            Self::Conversion => Measure::Conversion,
            Self::Count => Measure::Count,
            Self::Sum => Measure::Sum,
            Self::Ratio { measure, .. } | Self::Quantile { measure, .. } => *measure,
        }
    }
}

/// What a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// The one that the experiment is decided by.
    Primary,
    /// Must not get worse.
    Guardrail,
    /// Worth knowing.
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

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    #[default]
    Increase,
    /// Less is better.
    Decrease,
}

impl Direction {
    /// Both directions with their names in the API.
    pub const ALL: [(&'static str, Self); 2] =
        [("increase", Self::Increase), ("decrease", Self::Decrease)];

    /// +1 where more is better, −1 where less is.
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
    /// What it tells of the users' numbers.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// The events that it is made of.
    pub event_type: EventType,
    /// For user data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub role: MetricRole,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
    /// Users' numbers above this quantile of those that are not zero are cut to it, such as 0.999; the cut metric is
    /// shown beside the plain one. For counts and sums.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap_percentile: Option<f64>,
    /// How much worse, as a part of the control's mean, a guardrail may at most get: shipping asks for proof that it
    /// is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin: Option<f64>,
}

impl Metric {
    /// The numbers of a user that the metric is computed from: its own, and for a ratio what it is divided by.
    pub fn quantities(&self) -> impl Iterator<Item = (&EventType, Measure)> {
        let below = match &self.kind {
            MetricKind::Ratio { denominator, .. } => {
                Some((&denominator.event_type, denominator.measure))
            }
            _ => None,
        };
        std::iter::once((&self.event_type, self.kind.measure())).chain(below)
    }

    /// Whether sums do not tell enough: quantiles and cuts need to know how the users' numbers are spread.
    pub fn needs_buckets(&self) -> bool {
        self.cap_percentile.is_some() || matches!(self.kind, MetricKind::Quantile { .. })
    }

    /// For user data: the name, else the key.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.key.as_str())
    }

    /// For the middle of a sentence.
    pub fn quoted(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| format!("`{}`", self.key), |name| format!("“{name}”"))
    }

    /// The metrics of an experiment that declares none: for an event type that was seen, how many users
    /// had it and how often.
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

/// What of a metric decides its sums. Metrics with the same one have the same sums, whatever they are called or are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSpec {
    /// Unique within the experiment.
    pub key: MetricKey,
    /// The events that it is made of.
    pub event_type: EventType,
    /// How they become a user's number.
    pub measure: Measure,
    /// What a ratio is divided by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denominator: Option<Denominator>,
    /// Whether users are also counted by the size of their number.
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
    /// The numbers of a user that the metric is computed from: its own, and for a ratio what it is divided by.
    pub fn quantities(&self) -> impl Iterator<Item = (&EventType, Measure)> {
        let below = self.denominator.as_ref();
        let below = below.map(|below| (&below.event_type, below.measure));
        std::iter::once((&self.event_type, self.measure)).chain(below)
    }
}
