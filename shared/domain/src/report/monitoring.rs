//! The report for whoever watches the launch: is everybody getting in, and is anything breaking?

use super::Report;
use super::comparison::Finding;
use super::data_quality::{DataQuality, SampleRatioVerdict};
use super::decision::{Reason, lift_in_words};
use super::header::{About, Freshness, VariantUsers};
use crate::aggregates::{EventCounts, ExperimentAggregates, Hour, hour_of};
use crate::ids::{EventType, MetricKey, VariantKey};
use crate::reason::StatedReason;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Hours that are shown: the latest ones in which anything happened, and those between them.
const HOURS: i64 = 72;

/// Traffic, soundness and alarms.
#[derive(Debug, Clone, Serialize)]
pub struct Monitoring {
    /// What it is about.
    pub experiment: About,
    /// What is taken for now.
    pub as_of: Timestamp,
    /// What calls for somebody's attention; empty when all is well.
    pub alarms: Vec<Alarm>,
    /// Where the numbers come from.
    pub source: &'static str,
    /// How new they are.
    pub freshness: Freshness,
    /// Who took part.
    pub variants: Vec<VariantUsers>,
    /// Whether the numbers can be trusted. The `sequential` split may be looked at all day.
    pub data_quality: DataQuality,
    /// Columns of equal length, one place for each hour.
    pub traffic: Traffic,
    /// Events of each type for each user, by variant.
    pub rates: Vec<EventRate>,
    /// Where the stored events went, by type.
    pub event_accounting: BTreeMap<EventType, EventCounts>,
    /// Events that were refused at the door.
    pub refused: Refused,
}

/// Something that calls for attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Stable identifier for programs.
    pub code: &'static str,
    /// For user data.
    pub message: String,
    /// The guardrail that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricKey>,
    /// The variant that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantKey>,
}

/// What happened hour by hour.
#[derive(Debug, Clone, Serialize)]
pub struct Traffic {
    /// The instants at which the hours begin.
    pub hours: Vec<Timestamp>,
    /// Each variant.
    pub variants: Vec<VariantTraffic>,
}

/// A variant hour by hour.
#[derive(Debug, Clone, Serialize)]
pub struct VariantTraffic {
    /// Which variant.
    pub key: VariantKey,
    /// Users assigned.
    pub assigned: Vec<u64>,
    /// Events counted, by type.
    pub events: BTreeMap<EventType, Vec<u64>>,
}

/// How often an event type comes.
#[derive(Debug, Clone, Serialize)]
pub struct EventRate {
    /// Which type.
    pub event_type: EventType,
    /// Events for each user, in the order of the variants; absent for a variant without users.
    pub per_user: BTreeMap<VariantKey, f64>,
}

/// An event is refused before it is known whose it is: nothing of it is stored, and it belongs to no experiment.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// Why there is no number.
    pub missing: StatedReason,
}

impl Monitoring {
    /// What there is to watch.
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
                    message: "A refused event is not stored and belongs to no experiment. Its sender learns why, and record-events logs how many there were.",
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
            format!("Nobody is assigned to `{key}`."),
            None,
            Some(key),
        );
    }
    if report.data_quality.sample_ratio.verdict == SampleRatioVerdict::Mismatch {
        let message = "The variants do not get the users that they should get: something loses or adds users on one side.";
        alarm("sample_ratio_mismatch", message.to_owned(), None, None);
    }
    if report.data_quality.weights_changed {
        let message = "The shares of the variants changed while users were assigned.";
        alarm("weights_changed", message.to_owned(), None, None);
    }
    if report.decision.reason == Reason::NoRecentEvents {
        let message = "It is running, and nothing has arrived for more than a day.";
        alarm("no_recent_events", message.to_owned(), None, None);
    }
    for guardrail in report.guardrails() {
        for comparison in &guardrail.comparisons {
            if comparison.finding == Finding::Worse {
                let message = format!(
                    "The guardrail {} gets worse in `{}`: {}.",
                    guardrail.metric.quoted(),
                    comparison.variant,
                    lift_in_words(comparison, &report.analysis_settings)
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
