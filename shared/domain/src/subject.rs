//! One user of one experiment: all that goes from the user's records into the sums, and nothing else.
//!
//! Both sources of results go through it. The raw one makes the subjects of a shard and adds them up; running sums
//! keep each user's subject as it was last added, so that exactly that can be taken away again.

mod contribution;
mod path;
mod stored;

pub use contribution::Contribution;
pub use path::{common, path};

use super::assignment::Attributes;
use super::event::Event;
use super::experiment::Experiment;
use super::fold::{COHORT_HOURS, PAST_DAYS, Window};
use super::ids::{EventId, EventType, SegmentKey, SegmentValue};
use super::limits;
use super::sums::Overflow;
use super::tally::{Hour, Segment, hour_of};
use super::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const HOUR_MICROS: i64 = 3_600_000_000;

/// What became of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Counted, within the first [`COHORT_HOURS`] of the user.
    Early,
    /// Counted, later than that.
    Counted,
    /// After the end of the experiment.
    AfterEnd,
    /// Outside the window of time that is looked at.
    OutsideWindow,
    /// Not after an assignment of its user that is looked at.
    Unassigned,
}

impl Fate {
    /// Whether the event is in the sums.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Early | Self::Counted)
    }
}

/// Events of one type within one hour that went the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// In which hour.
    pub hour: Hour,
    /// Of which type.
    pub event_type: Arc<EventType>,
    /// Which way.
    pub fate: Fate,
    /// How many.
    pub events: u32,
    /// Σ of their values, in millionths.
    pub value: i128,
}

/// A user's events of one type from before the assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Of which type.
    pub event_type: Arc<EventType>,
    /// How many.
    pub events: u32,
    /// Σ of their values, in millionths.
    pub value: i128,
}

/// What an assignment makes of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The variant, by its place in the definition.
    pub variant: usize,
    /// The phase of the traffic, counted from 0.
    pub phase: usize,
    /// Since when.
    pub assigned_at: Timestamp,
    /// What the user was then, in the order in which the experiment declares its segments.
    pub segments: Vec<Segment>,
    /// What the user did in the [`PAST_DAYS`] before, by type.
    pub past: Vec<Past>,
}

/// A user's part in an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// None: the user is not assigned, or to a variant that the definition does not have.
    pub enrolment: Option<Enrolment>,
    /// Whether there are more events than a person has: then the user is left out.
    pub robot: bool,
    /// By hour, type and fate; in this order once the subject is [`Subject::sealed`].
    pub entries: Vec<Entry>,
}

impl Enrolment {
    /// The enrolment that follows from an assignment. The segments are those that are asked for.
    pub fn new(
        experiment: &Experiment,
        segments: &[SegmentKey],
        variant: usize,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) -> Self {
        let segment = |by: &SegmentKey| Segment {
            by: by.to_string(),
            value: attributes
                .get(by)
                .map_or(SegmentValue::NONE, SegmentValue::as_str)
                .to_owned(),
        };
        Self {
            variant,
            phase: experiment.phase_at(assigned_at),
            assigned_at,
            segments: segments.iter().map(segment).collect(),
            past: Vec::new(),
        }
    }

    /// Takes what the user did before, from all the user's stored events in the order of their keys.
    ///
    /// An event is stored once for each experiment that it counts for, and is one event here. Where records of the same
    /// id disagree, only those from before compete: whether one from later has arrived must make no difference.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn past_events<'e>(
        &mut self,
        names: &mut Names,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<(), Overflow> {
        let before = events
            .into_iter()
            .filter(|event| is_past(self.assigned_at, event.counted_at));
        let each: HashMap<&EventId, &Event> = before.map(|event| (&event.id, event)).collect();
        for event in each.into_values() {
            let value = event.value.unwrap_or_default().millionths();
            self.past_event(names.of(&event.event_type), value)?;
        }
        Ok(())
    }

    fn past_event(&mut self, event_type: Arc<EventType>, value: i128) -> Result<(), Overflow> {
        match self
            .past
            .iter_mut()
            .find(|past| past.event_type == event_type)
        {
            Some(past) => {
                past.events = past.events.saturating_add(1);
                past.value = past.value.checked_add(value).ok_or(Overflow)?;
            }
            None => self.past.push(Past {
                event_type,
                events: 1,
                value,
            }),
        }
        Ok(())
    }
}

impl Subject {
    /// A user with this enrolment, without events so far.
    pub fn new(enrolment: Option<Enrolment>) -> Self {
        Self {
            enrolment,
            ..Self::default()
        }
    }

    /// Takes an event that is stored for the experiment; it counts if the user was assigned strictly before it and the
    /// experiment had not ended.
    ///
    /// # Errors
    /// If the sum grows beyond 38 digits.
    pub fn event(
        &mut self,
        experiment: &Experiment,
        window: Window,
        event_type: Arc<EventType>,
        value: i128,
        counted_at: Timestamp,
    ) -> Result<(), Overflow> {
        let fate = self.fate(experiment, window, counted_at);
        let hour = hour_of(counted_at);
        // Events come roughly in the order of time, so the hour is nearly always the last one.
        let known = self.entries.iter_mut().rev().find(|entry| {
            entry.hour == hour && entry.fate == fate && entry.event_type == event_type
        });
        match known {
            Some(entry) => {
                entry.events = entry.events.saturating_add(1);
                entry.value = entry.value.checked_add(value).ok_or(Overflow)?;
            }
            None => self.entries.push(Entry {
                hour,
                event_type,
                fate,
                events: 1,
                value,
            }),
        }
        Ok(())
    }

    fn fate(&self, experiment: &Experiment, window: Window, counted_at: Timestamp) -> Fate {
        let enrolment = self.enrolment.as_ref();
        let Some(enrolment) = enrolment.filter(|one| one.assigned_at < counted_at) else {
            return Fate::Unassigned;
        };
        if !experiment.counts(enrolment.assigned_at, counted_at) {
            Fate::AfterEnd
        } else if window.excludes(counted_at) {
            Fate::OutsideWindow
        } else if counted_at
            < enrolment
                .assigned_at
                .plus_micros(COHORT_HOURS * HOUR_MICROS)
        {
            Fate::Early
        } else {
            Fate::Counted
        }
    }

    /// Brings everything into its order, so that equal users are equal, and leaves a robot's events out.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        let events: u64 = self
            .entries
            .iter()
            .map(|entry| u64::from(entry.events))
            .sum();
        if events > u64::from(limits::MAX_EVENTS_PER_USER) {
            self.robot = true;
            self.entries = Vec::new();
        }
        self.entries
            .sort_by(|a, b| (a.hour, &a.event_type, a.fate).cmp(&(b.hour, &b.event_type, b.fate)));
        if let Some(enrolment) = &mut self.enrolment {
            enrolment
                .past
                .sort_by(|a, b| a.event_type.cmp(&b.event_type));
        }
        self
    }
}

/// Whether an event lies before an assignment and is young enough to tell of its user; the moment of the assignment is
/// before.
pub fn is_past(assigned_at: Timestamp, counted_at: Timestamp) -> bool {
    let since = assigned_at.plus_micros(-PAST_DAYS * 24 * HOUR_MICROS);
    (since..=assigned_at).contains(&counted_at)
}

/// Hands out one copy of each event type, so that a user need not hold its text.
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

    /// A year after the first instant that there is, so that there is a time before the past.
    const ASSIGNED_AT: i64 = 365 * 24 * HOUR_MICROS;
    const SINCE: i64 = ASSIGNED_AT - PAST_DAYS * 24 * HOUR_MICROS;

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

    fn past_of(events: &[Event]) -> u32 {
        let mut enrolment = Enrolment {
            variant: 0,
            phase: 0,
            assigned_at: Timestamp::from_micros(ASSIGNED_AT),
            segments: Vec::new(),
            past: Vec::new(),
        };
        enrolment
            .past_events(&mut Names::default(), events)
            .unwrap();
        enrolment.past.iter().map(|past| past.events).sum()
    }

    #[test]
    fn the_past_ends_with_the_moment_of_the_assignment_and_begins_two_weeks_earlier() {
        for (at, events) in [
            (SINCE - 1, 0),
            (SINCE, 1),
            (ASSIGNED_AT, 1),
            (ASSIGNED_AT + 1, 0),
        ] {
            assert_eq!(past_of(&[event("e", at)]), events, "{at}");
        }
    }

    #[test]
    fn an_event_of_the_past_is_one_whatever_is_stored_later_under_its_id() {
        let later = ASSIGNED_AT + 1;
        assert_eq!(past_of(&[event("e", SINCE + 5), event("e", SINCE + 5)]), 1);
        assert_eq!(past_of(&[event("e", SINCE + 5), event("e", later)]), 1);
        assert_eq!(past_of(&[event("e", SINCE + 5), event("f", SINCE + 6)]), 2);
    }
}
