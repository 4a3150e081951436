//! A user's contribution to an experiment: everything that the user's records add to the aggregates.
//!
//! Both data sources use it. The raw source computes contributions and adds them up. The aggregates store each
//! contribution as it was last added, so that exactly this can be subtracted later.

mod builder;
mod path;
mod stored;

pub use builder::AggregateBuilder;
pub use path::{common, path};

use super::aggregates::{DimensionValue, Hour, hour_of};
use super::assignment::Attributes;
use super::event::Event;
use super::experiment::Experiment;
use super::filter::TimeWindow;
use super::ids::{DimensionKey, DimensionLabel, EventId, EventType};
use super::limits;
use super::sums::Overflow;
use super::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The first hours of a user that cohorts are compared by: each user is observed for equally long.
pub const COHORT_HOURS: i64 = 24;
/// Length of the pre-exposure period. Two weeks have every weekday twice.
pub const PRE_EXPOSURE_DAYS: i64 = 14;

const HOUR_MICROS: i64 = 3_600_000_000;

/// What was done with a stored event: its place in the event accounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Counted, within the first [`COHORT_HOURS`] hours of the user.
    CountedEarly,
    /// Counted, later than that.
    Counted,
    /// After the end of the experiment.
    AfterEnd,
    /// Outside the requested time range.
    OutsideWindow,
    /// Its user was not assigned before the event.
    NotAssigned,
}

impl Disposition {
    /// Whether the event is counted.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::CountedEarly | Self::Counted)
    }
}

/// Events of one type within one hour with the same disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContributionEntry {
    /// The hour.
    pub hour: Hour,
    /// The event type.
    pub event_type: Arc<EventType>,
    /// The disposition.
    pub disposition: Disposition,
    /// The number of events.
    pub events: u32,
    /// Σ of their values, in millionths.
    pub value: i128,
}

/// A user's pre-exposure events of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreExposure {
    /// The event type.
    pub event_type: Arc<EventType>,
    /// The number of events.
    pub events: u32,
    /// Σ of their values, in millionths.
    pub value: i128,
}

/// A user's assignment, as it enters the aggregates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The index of the variant in the definition.
    pub variant: usize,
    /// The index of the phase.
    pub phase: usize,
    /// When the user was assigned.
    pub assigned_at: Timestamp,
    /// The user's dimension values, in the order in which the experiment declares the dimensions.
    pub dimensions: Vec<DimensionValue>,
    /// The user's events in the [`PRE_EXPOSURE_DAYS`] days before the assignment, by type.
    pub pre_exposure: Vec<PreExposure>,
}

/// A user's contribution to an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserContribution {
    /// None if the user is not assigned, or assigned to a variant that the definition does not have.
    pub enrolment: Option<Enrolment>,
    /// Whether the user is an outlier user, who is left out of the results.
    pub outlier: bool,
    /// Events by hour, type and disposition, in this order once the contribution is [`UserContribution::sealed`].
    pub entries: Vec<ContributionEntry>,
}

impl Enrolment {
    /// The enrolment of an assignment, with the values of these dimensions.
    pub fn new(
        experiment: &Experiment,
        dimensions: &[DimensionKey],
        variant: usize,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) -> Self {
        let dimension = |by: &DimensionKey| DimensionValue {
            by: by.to_string(),
            value: attributes
                .get(by)
                .map_or(DimensionLabel::NONE, DimensionLabel::as_str)
                .to_owned(),
        };
        Self {
            variant,
            phase: experiment.allocation.phase_at(assigned_at),
            assigned_at,
            dimensions: dimensions.iter().map(dimension).collect(),
            pre_exposure: Vec::new(),
        }
    }

    /// Takes the user's pre-exposure events, from all stored events of the user in the order of their keys.
    ///
    /// An event is stored once for each experiment that it counts for, and is one event here. If records with the same
    /// id have different times, only those before the assignment are compared, so that a later record makes no
    /// difference.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn pre_exposure_events<'e>(
        &mut self,
        names: &mut Names,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<(), Overflow> {
        let before = events
            .into_iter()
            .filter(|event| is_pre_exposure(self.assigned_at, event.counted_at));
        let each: HashMap<&EventId, &Event> = before.map(|event| (&event.id, event)).collect();
        for event in each.into_values() {
            let value = event.value.unwrap_or_default().millionths();
            self.pre_exposure_event(names.of(&event.event_type), value)?;
        }
        Ok(())
    }

    fn pre_exposure_event(
        &mut self,
        event_type: Arc<EventType>,
        value: i128,
    ) -> Result<(), Overflow> {
        match self
            .pre_exposure
            .iter_mut()
            .find(|pre_exposure| pre_exposure.event_type == event_type)
        {
            Some(pre_exposure) => {
                pre_exposure.events = pre_exposure.events.saturating_add(1);
                pre_exposure.value = pre_exposure.value.checked_add(value).ok_or(Overflow)?;
            }
            None => self.pre_exposure.push(PreExposure {
                event_type,
                events: 1,
                value,
            }),
        }
        Ok(())
    }
}

impl UserContribution {
    /// A contribution with this enrolment and without events.
    pub fn new(enrolment: Option<Enrolment>) -> Self {
        Self {
            enrolment,
            ..Self::default()
        }
    }

    /// Takes an event that is stored for the experiment. It is counted if the user was assigned strictly before it and
    /// the experiment had not ended.
    ///
    /// # Errors
    /// If the sum grows beyond 38 digits.
    pub fn event(
        &mut self,
        experiment: &Experiment,
        window: TimeWindow,
        event_type: Arc<EventType>,
        value: i128,
        counted_at: Timestamp,
    ) -> Result<(), Overflow> {
        let disposition = self.disposition(experiment, window, counted_at);
        let hour = hour_of(counted_at);
        // Events come roughly in the order of time, so the hour is nearly always the last one.
        let known = self.entries.iter_mut().rev().find(|entry| {
            entry.hour == hour && entry.disposition == disposition && entry.event_type == event_type
        });
        match known {
            Some(entry) => {
                entry.events = entry.events.saturating_add(1);
                entry.value = entry.value.checked_add(value).ok_or(Overflow)?;
            }
            None => self.entries.push(ContributionEntry {
                hour,
                event_type,
                disposition,
                events: 1,
                value,
            }),
        }
        Ok(())
    }

    fn disposition(
        &self,
        experiment: &Experiment,
        window: TimeWindow,
        counted_at: Timestamp,
    ) -> Disposition {
        let enrolment = self.enrolment.as_ref();
        let Some(enrolment) = enrolment.filter(|one| one.assigned_at < counted_at) else {
            return Disposition::NotAssigned;
        };
        if !experiment.counts(enrolment.assigned_at, counted_at) {
            Disposition::AfterEnd
        } else if window.excludes(counted_at) {
            Disposition::OutsideWindow
        } else if counted_at
            < enrolment
                .assigned_at
                .plus_micros(COHORT_HOURS * HOUR_MICROS)
        {
            Disposition::CountedEarly
        } else {
            Disposition::Counted
        }
    }

    /// Sorts everything, so that equal contributions compare equal, and removes the events of an outlier user.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        let events: u64 = self
            .entries
            .iter()
            .map(|entry| u64::from(entry.events))
            .sum();
        if events > u64::from(limits::MAX_EVENTS_PER_USER) {
            self.outlier = true;
            self.entries = Vec::new();
        }
        self.entries.sort_by(|a, b| {
            (a.hour, &a.event_type, a.disposition).cmp(&(b.hour, &b.event_type, b.disposition))
        });
        if let Some(enrolment) = &mut self.enrolment {
            enrolment
                .pre_exposure
                .sort_by(|a, b| a.event_type.cmp(&b.event_type));
        }
        self
    }
}

/// Whether an event is in the pre-exposure period of an assignment. The period includes the instant of the assignment.
pub fn is_pre_exposure(assigned_at: Timestamp, counted_at: Timestamp) -> bool {
    let since = assigned_at.plus_micros(-PRE_EXPOSURE_DAYS * 24 * HOUR_MICROS);
    (since..=assigned_at).contains(&counted_at)
}

/// Shares one copy of each event type among users.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<EventType>>);

impl Names {
    /// The copy of this name.
    pub fn of(&mut self, event_type: &EventType) -> Arc<EventType> {
        if let Some(known) = self.0.get(event_type) {
            return known.clone();
        }
        let name = Arc::new(event_type.clone());
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    /// A year after the earliest instant, so that earlier instants exist.
    const ASSIGNED_AT: i64 = 365 * 24 * HOUR_MICROS;
    const SINCE: i64 = ASSIGNED_AT - PRE_EXPOSURE_DAYS * 24 * HOUR_MICROS;

    fn event(id: &str, at: i64) -> Event {
        Event {
            id: EventId::parse(id).unwrap(),
            user_id: UserId::parse("u").unwrap(),
            event_type: EventType::parse("view").unwrap(),
            value: None,
            properties: None,
            timestamp: None,
            counted_at: Timestamp::from_micros(at),
        }
    }

    fn pre_exposure_of(events: &[Event]) -> u32 {
        let mut enrolment = Enrolment {
            variant: 0,
            phase: 0,
            assigned_at: Timestamp::from_micros(ASSIGNED_AT),
            dimensions: Vec::new(),
            pre_exposure: Vec::new(),
        };
        enrolment
            .pre_exposure_events(&mut Names::default(), events)
            .unwrap();
        enrolment
            .pre_exposure
            .iter()
            .map(|pre_exposure| pre_exposure.events)
            .sum()
    }

    #[test]
    fn the_pre_exposure_ends_with_the_moment_of_the_assignment_and_begins_two_weeks_earlier() {
        for (at, events) in [
            (SINCE - 1, 0),
            (SINCE, 1),
            (ASSIGNED_AT, 1),
            (ASSIGNED_AT + 1, 0),
        ] {
            assert_eq!(pre_exposure_of(&[event("e", at)]), events, "{at}");
        }
    }

    #[test]
    fn an_event_of_the_pre_exposure_is_one_whatever_is_stored_later_under_its_id() {
        let later = ASSIGNED_AT + 1;
        assert_eq!(
            pre_exposure_of(&[event("e", SINCE + 5), event("e", SINCE + 5)]),
            1
        );
        assert_eq!(
            pre_exposure_of(&[event("e", SINCE + 5), event("e", later)]),
            1
        );
        assert_eq!(
            pre_exposure_of(&[event("e", SINCE + 5), event("f", SINCE + 6)]),
            2
        );
    }
}
