//! The stored data of a user, with long names instead of the short stored ones.

use domain::contribution::{ContributionEntry, Disposition, Enrolment, PreExposure};
use domain::decimal::Decimal;
use domain::event_count::EventCount;
use domain::ids::{EventId, EventType, ExperimentId};
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::http::Problem;
use shared::store::aggregates::{StoredContribution, UserContributions};
use shared::store::events::UserEvent;
use shared::store::generations::GenerationNumber;
use shared::store::user_data::Tombstone;
use std::collections::BTreeMap;

const HOUR_MICROS: i64 = 3_600_000_000;

/// When the user was erased.
#[derive(Serialize)]
pub(crate) struct Erased {
    erased_at: Timestamp,
    until: Timestamp,
}

impl From<Tombstone> for Erased {
    fn from(tombstone: Tombstone) -> Self {
        Self {
            erased_at: tombstone.erased_at,
            until: tombstone.until,
        }
    }
}

/// The number of stored events, which limits how many more are stored.
#[derive(Serialize)]
pub(crate) struct EventCountShown {
    total: u64,
    /// A date in UTC, such as 2026-11-23.
    day: String,
    on_day: u64,
}

impl From<EventCount> for EventCountShown {
    fn from(count: EventCount) -> Self {
        let midnight = Timestamp::from_micros(count.day.saturating_mul(24 * HOUR_MICROS));
        Self {
            total: count.total,
            day: midnight.to_string().chars().take(10).collect(),
            on_day: count.on_day,
        }
    }
}

/// An event as it is stored for one experiment or for none.
#[derive(Serialize)]
pub(crate) struct StoredEvent<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment_id: Option<&'e ExperimentId>,
    event_id: &'e EventId,
    r#type: &'e EventType,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    counted_at: Timestamp,
    received_at: Timestamp,
}

impl<'e> StoredEvent<'e> {
    pub(crate) fn of(stored: &'e UserEvent) -> Result<Self, Problem> {
        let event = &stored.event;
        let as_is = |text: Option<String>| {
            let json = text.map(RawValue::from_string).transpose();
            json.map_err(|error| Problem::internal(error.to_string()))
        };
        Ok(Self {
            experiment_id: stored.experiment.as_ref(),
            event_id: &event.id,
            r#type: &event.event_type,
            value: as_is(event.value.map(|value| value.to_string()))?,
            properties: as_is(event.properties.clone())?,
            timestamp: event.timestamp,
            counted_at: event.counted_at,
            received_at: stored.received_at,
        })
    }
}

/// A contribution to one generation of aggregates.
#[derive(Serialize)]
pub(crate) struct Part {
    experiment_id: ExperimentId,
    generation: GenerationNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<EnrolmentShown>,
    outlier: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    excluded: bool,
    hours: Vec<HourShown>,
    /// Only the empty contribution of an erased user expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct EnrolmentShown {
    /// The index of the variant in the definition.
    variant: usize,
    /// The index of the phase.
    phase: usize,
    assigned_at: Timestamp,
    attributes: BTreeMap<String, String>,
    pre_exposure: Vec<SumShown>,
}

#[derive(Serialize)]
struct HourShown {
    hour: Timestamp,
    disposition: &'static str,
    #[serde(flatten)]
    sum: SumShown,
}

/// Events of one type. Their values are added up exactly, as a text.
#[derive(Serialize)]
struct SumShown {
    r#type: EventType,
    events: u32,
    value: String,
}

/// All contributions, by experiment and generation.
pub(crate) fn parts(contributions: UserContributions) -> Vec<Part> {
    let sorted: BTreeMap<_, _> = contributions.into_iter().collect();
    sorted.into_iter().map(part).collect()
}

fn part(
    ((experiment_id, generation), stored): ((ExperimentId, GenerationNumber), StoredContribution),
) -> Part {
    let until = stored.expires_at.map(|end| end.saturating_mul(1_000_000));
    Part {
        experiment_id,
        generation,
        enrolment: stored.contribution.enrolment.map(enrolment),
        outlier: stored.contribution.outlier,
        excluded: stored.contribution.excluded,
        hours: stored.contribution.entries.iter().map(hour).collect(),
        until: until.map(Timestamp::from_micros),
    }
}

fn enrolment(enrolment: Enrolment) -> EnrolmentShown {
    let dimensions = enrolment.dimensions.into_iter();
    EnrolmentShown {
        variant: enrolment.variant,
        phase: enrolment.phase,
        assigned_at: enrolment.assigned_at,
        attributes: dimensions.map(|one| (one.by, one.value)).collect(),
        pre_exposure: enrolment.pre_exposure.iter().map(before).collect(),
    }
}

fn before(pre_exposure: &PreExposure) -> SumShown {
    sum(
        &pre_exposure.event_type,
        pre_exposure.events,
        pre_exposure.value,
    )
}

fn hour(entry: &ContributionEntry) -> HourShown {
    HourShown {
        hour: Timestamp::from_micros(entry.hour.saturating_mul(HOUR_MICROS)),
        disposition: match entry.disposition {
            Disposition::CountedEarly => "counted_early",
            Disposition::Counted => "counted",
            Disposition::ExcludedByEnd => "excluded_by_end",
            Disposition::OutsideWindow => "outside_window",
            Disposition::NotAssigned => "not_assigned",
            Disposition::ExcludedUser => "excluded_user",
        },
        sum: sum(&entry.event_type, entry.events, entry.value),
    }
}

fn sum(event_type: &EventType, events: u32, value: i128) -> SumShown {
    SumShown {
        r#type: event_type.clone(),
        events,
        value: Decimal::from_millionths(value).to_string(),
    }
}
