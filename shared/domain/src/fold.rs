//! From raw records to sums over users: the one definition of what is counted.
//!
//! Sums are over *users*. A user with ten purchases is one observation of ten, not ten of one; summing
//! squares of events would understate the variance of everybody who comes back.

use super::assignment::Attributes;
use super::decimal::Decimal;
use super::event::Event;
use super::experiment::Experiment;
use super::ids::{EventType, SegmentKey, UserId, VariantKey};
use super::metric::MetricSpec;
use super::subject::{Contribution, Enrolment, Names, Subject};
use super::tally::{Segment, Tally, day_of};
use super::time::Timestamp;
use std::collections::HashMap;

pub use super::sums::Overflow;

/// How long after their assignment the users of a day are watched, so that days can be compared with one another.
pub const COHORT_HOURS: i64 = 24;
/// How long before the assignment a user's events tell what kind of user this is: two weeks see every weekday twice.
pub const PAST_DAYS: i64 = 14;

/// Which part of the time is looked at: events in `[from, to)`, users assigned before `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Events before it are left out.
    pub from: Option<Timestamp>,
    /// Events and assignments from it on are left out.
    pub to: Option<Timestamp>,
}

impl Window {
    /// Whether an event at this instant is left out.
    pub fn excludes(self, counted_at: Timestamp) -> bool {
        self.from.is_some_and(|from| counted_at < from)
            || self.to.is_some_and(|to| counted_at >= to)
    }
}

/// What of the records is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lens {
    /// Which part of the time.
    pub window: Window,
    /// Only the users of this segment.
    pub only: Option<Segment>,
    /// Whether the users' past is known and goes into the sums as covariates.
    pub past: bool,
}

/// Reads the records of a set of users, assignments first, then events, in any order among themselves.
/// What it holds grows with the users and the hours in which they did something, not with the events.
pub struct Fold<'e> {
    experiment: &'e Experiment,
    lens: &'e Lens,
    users: HashMap<UserId, Subject>,
    names: Names,
    tally: Tally,
}

impl<'e> Fold<'e> {
    /// An empty fold over an experiment.
    pub fn new(experiment: &'e Experiment, lens: &'e Lens) -> Self {
        Self {
            experiment,
            lens,
            users: HashMap::new(),
            names: Names::default(),
            tally: Tally::of_nobody(experiment.variants.as_slice().len()),
        }
    }

    /// Takes a user's assignment, with what the user was at that moment.
    pub fn assignment(
        &mut self,
        user: UserId,
        variant: &VariantKey,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) {
        if self.lens.window.to.is_some_and(|to| assigned_at >= to) {
            return;
        }
        let Some(variant) = self.experiment.variants.position(variant) else {
            return;
        };
        let segments = &self.experiment.segments;
        let enrolment = Enrolment::new(self.experiment, segments, variant, assigned_at, attributes);
        if self
            .lens
            .only
            .as_ref()
            .is_some_and(|only| !is_in(&enrolment, only))
        {
            return;
        }
        self.tally.reach.assignment(assigned_at);
        self.users.insert(user, Subject::new(Some(enrolment)));
    }

    /// Who was taken, with the time of the assignment: those whose past can be taken, too.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Takes what a user did within [`PAST_DAYS`] before the assignment, the moment of the assignment included, from
    /// all the user's stored events in the order of their keys: it goes into the covariates.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn past_events<'p>(
        &mut self,
        user: &UserId,
        events: impl IntoIterator<Item = &'p Event>,
    ) -> Result<(), Overflow> {
        let user = self.users.get_mut(user);
        let Some(enrolment) = user.and_then(|user| user.enrolment.as_mut()) else {
            return Ok(());
        };
        enrolment.past_events(&mut self.names, events)
    }

    /// Takes an event; it counts if its user was assigned strictly before it and the experiment had not ended.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn event(
        &mut self,
        user: &UserId,
        event_type: &EventType,
        value: Option<Decimal>,
        counted_at: Timestamp,
        received_at: Option<Timestamp>,
    ) -> Result<(), Overflow> {
        self.tally.reach.event(counted_at, received_at);
        let Some(subject) = self.users.get_mut(user) else {
            let day = self.tally.ledger.entry(day_of(counted_at)).or_default();
            day.entry(event_type.clone()).or_default().other_users += 1;
            return Ok(());
        };
        let value = value.unwrap_or_default().millionths();
        let name = self.names.of(event_type);
        subject.event(self.experiment, self.lens.window, name, value, counted_at)
    }

    /// The sums over all users that were taken. Without declared metrics there are those of every type seen.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn finish(self) -> Result<Tally, Overflow> {
        let metrics = self.experiment.metrics.iter();
        let metrics: Vec<MetricSpec> = metrics.map(MetricSpec::from).collect();
        let mut contribution = Contribution::new(metrics, self.lens.past);
        let mut tally = self.tally;
        for subject in self.users.into_values() {
            contribution.add(&subject.sealed(), &mut tally)?;
        }
        Ok(tally)
    }
}

fn is_in(enrolment: &Enrolment, only: &Segment) -> bool {
    let phase = || (enrolment.phase + 1).to_string();
    enrolment.segments.contains(only) || only.by == SegmentKey::PHASE && only.value == phase()
}
