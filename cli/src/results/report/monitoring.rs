//! The response of `view=monitoring`.

use super::{DataQuality, EventCounts, ExperimentHeader, Freshness, VariantUsers};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct Monitoring {
    pub(crate) experiment: ExperimentHeader,
    pub(crate) as_of: String,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) freshness: Freshness,
    pub(crate) variants: Vec<VariantUsers>,
    pub(crate) data_quality: DataQuality,
    pub(crate) traffic: Traffic,
    #[serde(default)]
    pub(crate) rates: Vec<EventRate>,
    #[serde(default)]
    pub(crate) event_accounting: BTreeMap<String, EventCounts>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) message: String,
}

/// Traffic by hour. Each list has one item per hour.
#[derive(Debug, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) hours: Vec<String>,
    pub(crate) variants: Vec<VariantTraffic>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VariantTraffic {
    pub(crate) key: String,
    pub(crate) assigned: Vec<u64>,
    pub(crate) events: BTreeMap<String, Vec<u64>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EventRate {
    pub(crate) event_type: String,
    pub(crate) per_user: BTreeMap<String, f64>,
}
