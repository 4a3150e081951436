//! What is measured: how a user's events become one number.

use super::ids::{EventType, MetricKey};
use serde::{Deserialize, Serialize};

/// How a user's events of one type become that user's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// 1 for a user with at least one such event, else 0: a rate.
    Conversion,
    /// How many such events the user has.
    Count,
    /// The sum of the values of the user's events; an event without a value adds nothing.
    Sum,
}

impl MetricKind {
    /// All kinds with their names in the API.
    pub const ALL: [(&'static str, Self); 3] = [
        ("conversion", Self::Conversion),
        ("count", Self::Count),
        ("sum", Self::Sum),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conversion => "conversion",
            Self::Count => "count",
            Self::Sum => "sum",
        }
    }
}

/// What a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// The one that the experiment is decided by.
    Primary,
    /// Worth knowing.
    #[default]
    Secondary,
    /// Must not get worse.
    Guardrail,
}

impl MetricRole {
    /// All roles with their names in the API.
    pub const ALL: [(&'static str, Self); 3] = [
        ("primary", Self::Primary),
        ("secondary", Self::Secondary),
        ("guardrail", Self::Guardrail),
    ];
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
}

/// A metric of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Unique within the experiment.
    pub key: MetricKey,
    /// How events become a user's value.
    pub kind: MetricKind,
    /// The events that it is made of.
    pub event_type: EventType,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub role: MetricRole,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
}

impl Metric {
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
        })
    }
}
