//! The monitoring view: alarms, traffic and data quality.

use super::Report;
use super::comparison::Finding;
use super::data_quality::{DataQuality, SampleRatioVerdict};
use super::decision::{Reason, words};
use super::header::{About, Freshness, VariantUsers};
use crate::aggregates::{EventCounts, ExperimentAggregates, Hour, hour_of};
use crate::ids::{EventType, MetricKey, VariantKey};
use crate::reason::StatedReason;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Hours that are shown: the latest ones with traffic, and those between them.
const HOURS: i64 = 72;

/// The monitoring view of the results.
#[derive(Debug, Clone, Serialize)]
pub struct Monitoring {
    /// The experiment.
    pub experiment: About,
    /// The instant that the view takes as the present.
    pub as_of: Timestamp,
    /// Alarms; empty if there are none.
    pub alarms: Vec<Alarm>,
    /// The name of the source: `aggregates` or `raw`.
    pub source: &'static str,
    /// How recent the data is.
    pub freshness: Freshness,
    /// The users of each variant.
    pub variants: Vec<VariantUsers>,
    /// Whether the data can be trusted. The `sequential_test` of the sample ratio is always valid.
    pub data_quality: DataQuality,
    /// Columns of equal length, one row per hour.
    pub traffic: Traffic,
    /// Events per user of each type, by variant.
    pub rates: Vec<EventRate>,
    /// How many stored events were counted or left out, by event type.
    pub event_accounting: BTreeMap<EventType, EventCounts>,
    /// Rejected events.
    pub refused: Refused,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Stable identifier for programs.
    pub code: &'static str,
    /// A sentence for readers.
    pub message: String,
    /// The guardrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricKey>,
    /// The variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
}

/// Traffic by hour.
#[derive(Debug, Clone, Serialize)]
pub struct Traffic {
    /// The beginnings of the hours.
    pub hours: Vec<Timestamp>,
    /// The variants.
    pub variants: Vec<VariantTraffic>,
}

/// Traffic of one variant by hour.
#[derive(Debug, Clone, Serialize)]
pub struct VariantTraffic {
    /// The variant.
    pub key: VariantKey,
    /// Users assigned.
    pub assigned: Vec<u64>,
    /// Events counted, by type.
    pub events: BTreeMap<EventType, Vec<u64>>,
}

/// The rate of an event type.
#[derive(Debug, Clone, Serialize)]
pub struct EventRate {
    /// The event type.
    pub event_type: EventType,
    /// Events per user, in the order of the variants; absent for a variant without users.
    pub per_user: BTreeMap<VariantKey, f64>,
}

/// Rejected events are not stored and belong to no experiment, so there is no number.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// Why there is no number.
    pub missing: StatedReason,
}

impl Monitoring {
    /// The monitoring view of a report.
    pub fn new(report: &Report, aggregates: &ExperimentAggregates) -> Self {
        Self {
            experiment: report.experiment.clone(),
            as_of: report.as_of,
            alarms: alarms(report),
            source: report.source,
            freshness: report.freshness.clone(),
            variants: report.variants.clone(),
            data_quality: report.data_quality.clone(),
            traffic: traffic(report, aggregates),
            rates: rates(report, aggregates),
            event_accounting: report.event_accounting.clone(),
            refused: Refused {
                missing: StatedReason {
                    reason: "not_kept",
                    message: "Rejected events are not stored and belong to no experiment. The sender gets the reason, and record-events logs their number.",
                },
            },
        }
    }
}

fn alarms(report: &Report) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let mut alarm =
        |code, message: String, metric: Option<&MetricKey>, variant: Option<&VariantKey>| {
            alarms.push(Alarm {
                code,
                message,
                metric: metric.cloned(),
                variant: variant.cloned(),
            });
        };
    for key in &report.data_quality.variants_without_users {
        alarm(
            "variant_without_users",
            format!("No user is assigned to `{key}`."),
            None,
            Some(key),
        );
    }
    if report.data_quality.sample_ratio.verdict == SampleRatioVerdict::Mismatch {
        let message =
            "The sample ratio does not match the weights: users are lost or added in one variant.";
        alarm("sample_ratio_mismatch", message.to_owned(), None, None);
    }
    if report.data_quality.weights_changed {
        let message = "The weights of the variants changed while users were assigned.";
        alarm("weights_changed", message.to_owned(), None, None);
    }
    if report.decision.reason == Reason::NoRecentEvents {
        let message = "The experiment is running, and no event or assignment has arrived for more than a day.";
        alarm("no_recent_events", message.to_owned(), None, None);
    }
    for guardrail in report.guardrails() {
        for comparison in &guardrail.comparisons {
            if comparison.finding == Finding::Worse {
                let message = format!(
                    "The guardrail {} gets worse in `{}`: {}.",
                    guardrail.metric.quoted(),
                    comparison.variant,
                    words::effect(guardrail, &comparison.variant, &report.analysis_settings)
                );
                alarm(
                    "guardrail_worse",
                    message,
                    Some(&guardrail.metric.key),
                    Some(&comparison.variant),
                );
            }
        }
    }
    alarms
}

fn traffic(report: &Report, aggregates: &ExperimentAggregates) -> Traffic {
    let last: Hour = aggregates
        .hours
        .keys()
        .next_back()
        .copied()
        .unwrap_or_else(|| hour_of(report.as_of));
    let first = aggregates
        .hours
        .range(last - HOURS + 1..)
        .next()
        .map_or(last + 1, |(hour, _)| *hour);
    let hours: Vec<Hour> = (first..=last).collect();
    let types: std::collections::BTreeSet<&EventType> = hours
        .iter()
        .filter_map(|hour| aggregates.hours.get(hour))
        .flat_map(|traffic| traffic.events.keys())
        .collect();
    let at = |counts: Option<&Vec<u64>>, index: usize| {
        counts
            .and_then(|counts| counts.get(index))
            .copied()
            .unwrap_or(0)
    };
    let variants = report.variants.iter().enumerate().map(|(index, variant)| {
        let assigned = |hour: &Hour| {
            let traffic = aggregates.hours.get(hour);
            at(traffic.map(|traffic| &traffic.assigned), index)
        };
        let events = |event_type: &EventType| {
            let counted = |hour: &Hour| {
                let traffic = aggregates.hours.get(hour);
                at(
                    traffic.and_then(|traffic| traffic.events.get(event_type)),
                    index,
                )
            };
            hours.iter().map(counted).collect()
        };
        VariantTraffic {
            key: variant.key.clone(),
            assigned: hours.iter().map(assigned).collect(),
            events: types
                .iter()
                .map(|event_type| ((*event_type).clone(), events(event_type)))
                .collect(),
        }
    });
    Traffic {
        variants: variants.collect(),
        hours: hours
            .iter()
            .map(|hour| Timestamp::from_micros(hour * 3_600_000_000))
            .collect(),
    }
}

fn rates(report: &Report, aggregates: &ExperimentAggregates) -> Vec<EventRate> {
    let mut counts = BTreeMap::<&EventType, Vec<u64>>::new();
    for traffic in aggregates.hours.values() {
        for (event_type, by_variant) in &traffic.events {
            let sums = counts.entry(event_type).or_default();
            crate::aggregates::add_counts(sums, by_variant);
        }
    }
    let rate = |(event_type, counts): (&EventType, Vec<u64>)| EventRate {
        event_type: event_type.clone(),
        per_user: report
            .variants
            .iter()
            .zip(counts)
            .filter(|(variant, _)| variant.users > 0)
            .map(|(variant, events)| {
                #[expect(clippy::cast_precision_loss, reason = "counts of users and events")]
                let rate = events as f64 / variant.users as f64;
                (variant.key.clone(), rate)
            })
            .collect(),
    };
    counts.into_iter().map(rate).collect()
}
