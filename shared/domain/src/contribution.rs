//! A user's contribution to an experiment: everything that the user's records add to the aggregates.
//!
//! Both data sources use it. The raw source computes contributions and adds them up. The aggregates store each
//! contribution as it was last added, so that exactly this can be subtracted later.

mod builder;
mod part;
mod path;
mod stored;

pub use builder::AggregateBuilder;
pub use part::ContributionPart;
pub use path::{Path, common};

use super::aggregates::{DimensionValue, Hour, hour_of};
use super::assignment::Attributes;
use super::event::EventSummary;
use super::experiment::Experiment;
use super::filter::TimeWindow;
use super::ids::{DimensionKey, EventId, EventType};
use super::limits::{
    MAX_ENTRIES_PER_USER, MAX_EVENTS_PER_USER, MAX_PRE_EXPOSURE_EVENTS, MAX_USER_TOTAL_MILLIONTHS,
};
use super::registry::Labels;
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
    /// At or after the end of the experiment.
    ExcludedByEnd,
    /// Outside the requested time range.
    OutsideWindow,
    /// Its user was not assigned before the event.
    NotAssigned,
    /// The definition excludes its user.
    ExcludedUser,
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
    /// The number of events, at most [`MAX_PRE_EXPOSURE_EVENTS`].
    pub events: u32,
    /// Σ of their values, in millionths, limited to ±[`MAX_USER_TOTAL_MILLIONTHS`].
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
    /// Whether the definition excludes the user, who is left out of the results.
    pub excluded: bool,
    /// Events by hour, type and disposition, in this order once the contribution is [`UserContribution::sealed`].
    pub entries: Vec<ContributionEntry>,
    /// The number of the user's stored records that were read for it: the assignment and the events, also those that
    /// results leave out.
    pub records: u64,
}

impl Enrolment {
    /// The enrolment of an assignment, with the labels of the values of these dimensions.
    pub fn new(
        experiment: &Experiment,
        dimensions: &[DimensionKey],
        labels: &Labels,
        variant: usize,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) -> Self {
        let dimension = |by: &DimensionKey| DimensionValue {
            by: by.to_string(),
            value: labels.dimension_value(by, attributes.get(by)),
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
    /// difference. Of more than [`MAX_PRE_EXPOSURE_EVENTS`] records the first ones are taken.
    pub fn pre_exposure_events<'e>(
        &mut self,
        labels: &Labels,
        events: impl IntoIterator<Item = &'e EventSummary>,
    ) {
        let before = events
            .into_iter()
            .filter(|event| is_pre_exposure(self.assigned_at, event.counted_at));
        let each: HashMap<&EventId, &EventSummary> = before
            .take(MAX_PRE_EXPOSURE_EVENTS)
            .map(|event| (&event.id, event))
            .collect();
        let mut types = HashMap::<Arc<EventType>, PreExposure>::new();
        for event in each.into_values() {
            let event_type = labels.event_type(&event.event_type);
            let known = types.entry(event_type.clone());
            let known = known.or_insert(PreExposure {
                event_type,
                events: 0,
                value: 0,
            });
            known.events += 1;
            known.value += event.value.unwrap_or_default().millionths();
        }
        let limited = |mut one: PreExposure| {
            let most = MAX_USER_TOTAL_MILLIONTHS;
            one.value = one.value.clamp(-most, most);
            one
        };
        self.pre_exposure = types.into_values().map(limited).collect();
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

    /// Notes that results leave the user out if the user has one of the excluded dimension values.
    pub fn exclude_by_values(&mut self, labels: &Labels, attributes: &Attributes) {
        self.excluded |= labels.excluded().has_value_of(attributes);
    }

    /// Notes that results leave the user out if this event after the assignment has an excluded type.
    pub fn exclude_by_event(
        &mut self,
        labels: &Labels,
        event_type: &EventType,
        counted_at: Timestamp,
    ) {
        self.excluded |=
            labels.excluded().has_type(event_type) && self.is_after_assignment(counted_at);
    }

    /// Whether the user was assigned strictly before this time.
    pub(super) fn is_after_assignment(&self, counted_at: Timestamp) -> bool {
        let enrolment = self.enrolment.as_ref();
        enrolment.is_some_and(|enrolment| enrolment.assigned_at < counted_at)
    }

    /// Notes that results leave the user out, because an event after the assignment has excluded properties.
    pub fn exclude(&mut self) {
        self.excluded = true;
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
            Disposition::ExcludedByEnd
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

    /// Sorts everything, so that equal contributions compare equal, removes the events of an outlier user, and marks those
    /// of an excluded user. An outlier user is not an excluded user too: not all of the events are read.
    ///
    /// An outlier user has more events than [`MAX_EVENTS_PER_USER`], or more entries than [`MAX_ENTRIES_PER_USER`], or at
    /// some time a larger sum of a metric's values than [`MAX_USER_TOTAL_MILLIONTHS`].
    #[must_use]
    pub fn sealed(mut self, labels: &Labels) -> Self {
        self.entries.sort_by(|a, b| {
            (a.hour, &a.event_type, a.disposition).cmp(&(b.hour, &b.event_type, b.disposition))
        });
        let events: u64 = self
            .entries
            .iter()
            .map(|entry| u64::from(entry.events))
            .sum();
        if events > u64::from(MAX_EVENTS_PER_USER)
            || self.entries.len() > MAX_ENTRIES_PER_USER
            || self.has_extreme_total(labels)
        {
            self.outlier = true;
            self.entries = Vec::new();
        }
        self.excluded &= !self.outlier && self.enrolment.is_some();
        if self.excluded {
            for entry in &mut self.entries {
                entry.disposition = Disposition::ExcludedUser;
            }
        }
        if let Some(enrolment) = &mut self.enrolment {
            enrolment
                .pre_exposure
                .sort_by(|a, b| a.event_type.cmp(&b.event_type));
        }
        self
    }

    /// Whether a sum of values that a metric uses ever was too large. The aggregates contain the sum after each entry,
    /// so the last one is not enough.
    fn has_extreme_total(&self, labels: &Labels) -> bool {
        let mut totals = HashMap::<&EventType, i128>::new();
        let counted = self.entries.iter().filter(|one| {
            one.disposition.is_counted() && one.value != 0 && labels.is_summed(&one.event_type)
        });
        for entry in counted {
            let total = totals.entry(&*entry.event_type).or_default();
            *total = total.saturating_add(entry.value);
            if total.abs() > MAX_USER_TOTAL_MILLIONTHS {
                return true;
            }
        }
        false
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
    use crate::registry::Registry;

    /// A year after the earliest instant, so that earlier instants exist.
    const ASSIGNED_AT: i64 = 365 * 24 * HOUR_MICROS;
    const SINCE: i64 = ASSIGNED_AT - PRE_EXPOSURE_DAYS * 24 * HOUR_MICROS;

    fn event(id: &str, at: i64) -> EventSummary {
        EventSummary {
            id: EventId::parse(id).unwrap(),
            event_type: EventType::parse("view").unwrap(),
            value: None,
            counted_at: Timestamp::from_micros(at),
        }
    }

    fn pre_exposure_of(events: &[EventSummary]) -> u32 {
        let mut enrolment = Enrolment {
            variant: 0,
            phase: 0,
            assigned_at: Timestamp::from_micros(ASSIGNED_AT),
            dimensions: Vec::new(),
            pre_exposure: Vec::new(),
        };
        let labels = Labels::new(&[], Registry::default());
        enrolment.pre_exposure_events(&labels, events);
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
