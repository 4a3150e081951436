//! From raw records to sums over users: the one definition of what is counted.
//!
//! Sums are over *users*. A user with ten purchases is one observation of ten, not ten of one; summing
//! squares of events would understate the variance of everybody who comes back.

mod user;

use super::assignment::Attributes;
use super::decimal::Decimal;
use super::experiment::Experiment;
use super::ids::{EventType, SegmentKey, SegmentValue, UserId, VariantKey};
use super::limits;
use super::tally::{Cell, Fates, Segment, Tally, VariantTally, add_counts, day_of, hour_of, span};
use super::time::Timestamp;
use std::collections::HashMap;
use user::{Places, User};

pub use super::sums::Overflow;

/// How long after their assignment the users of a day are watched, so that days can be compared with one another.
pub const COHORT_HOURS: i64 = 24;
/// How long before the assignment a user's events tell what kind of user this is: two weeks see every weekday twice.
pub const PAST_DAYS: i64 = 14;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Which part of the time is looked at: events in `[from, to)`, users assigned before `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Events before it are left out.
    pub from: Option<Timestamp>,
    /// Events and assignments from it on are left out.
    pub to: Option<Timestamp>,
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
/// What it holds grows with the users and the days, not with the events.
pub struct Fold<'e> {
    experiment: &'e Experiment,
    lens: &'e Lens,
    users: HashMap<UserId, User>,
    places: Places,
    tally: Tally,
}

impl<'e> Fold<'e> {
    /// An empty fold over an experiment.
    pub fn new(experiment: &'e Experiment, lens: &'e Lens) -> Self {
        let variants = experiment.variants.as_slice().len();
        Self {
            experiment,
            lens,
            users: HashMap::new(),
            places: Places::default(),
            tally: Tally {
                variants: vec![VariantTally::default(); variants],
                ..Tally::default()
            },
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
        let phase = self.experiment.phase_at(assigned_at);
        let segments = self.segments(phase, attributes);
        if let Some(only) = &self.lens.only
            && !segments.contains(only)
        {
            return;
        }
        let segments = segments
            .into_iter()
            .map(|segment| self.places.segment(segment))
            .collect();
        self.users
            .insert(user, User::new(variant, phase, assigned_at, segments));
    }

    fn segments(&self, phase: usize, attributes: &Attributes) -> Vec<Segment> {
        let declared = self.experiment.segments.iter().map(|by| Segment {
            by: by.to_string(),
            value: attributes
                .get(by)
                .map_or(SegmentValue::NONE, SegmentValue::as_str)
                .to_owned(),
        });
        let phase = self.experiment.shares_changed().then(|| Segment {
            by: SegmentKey::PHASE.to_owned(),
            value: (phase + 1).to_string(),
        });
        declared.chain(phase).collect()
    }

    /// Who was taken, with the time of the assignment: those whose past can be taken, too.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, Timestamp)> {
        self.users.iter().map(|(id, user)| (id, user.assigned_at))
    }

    /// Takes an event from a user's past: it goes into the covariates if it lies within [`PAST_DAYS`] before the
    /// assignment, the moment of the assignment included.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn past_event(
        &mut self,
        user: &UserId,
        event_type: &EventType,
        value: Option<Decimal>,
        counted_at: Timestamp,
    ) -> Result<(), Overflow> {
        let Some(user) = self.users.get_mut(user) else {
            return Ok(());
        };
        let since = user.assigned_at.plus_micros(-PAST_DAYS * 24 * HOUR_MICROS);
        if counted_at > user.assigned_at || counted_at < since {
            return Ok(());
        }
        let place = self.places.event_type(event_type);
        user.past.add(place, value.unwrap_or_default().millionths())
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
        self.tally.received_last = self.tally.received_last.max(received_at);
        let window = self.lens.window;
        let outside = window.from.is_some_and(|from| counted_at < from)
            || window.to.is_some_and(|to| counted_at >= to);
        let user = self.users.get_mut(user);
        let fates = self.tally.ledger.entry(event_type.clone()).or_default();
        let Some(user) = user.filter(|user| user.assigned_at < counted_at) else {
            fates.other_users += 1;
            return Ok(());
        };
        if !self.experiment.counts(user.assigned_at, counted_at) {
            fates.after_end += 1;
            return Ok(());
        }
        if outside {
            fates.outside_window += 1;
            return Ok(());
        }
        fates.counted += 1;
        let variants = self.tally.variants.len();
        let hour = self.tally.hours.entry(hour_of(counted_at)).or_default();
        let counts = hour.events.entry(event_type.clone()).or_default();
        counts.resize(variants, 0);
        if let Some(count) = counts.get_mut(user.variant) {
            *count += 1;
        }
        self.tally.counted = span(self.tally.counted, Some((counted_at, counted_at)));
        let place = self.places.event_type(event_type);
        let value = value.unwrap_or_default().millionths();
        user.events = user.events.saturating_add(1);
        let young = user.assigned_at.plus_micros(COHORT_HOURS * HOUR_MICROS);
        if counted_at < young {
            user.early.add(place, value)?;
        }
        user.add(day_of(counted_at), place, value)
    }

    /// The sums over all users that were taken. Without declared metrics there are those of every type seen.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn finish(self) -> Result<Tally, Overflow> {
        let Self {
            experiment,
            lens,
            users,
            places,
            mut tally,
        } = self;
        let metrics = tally.metrics(experiment);
        let metrics: Vec<user::Measured<'_>> = metrics
            .iter()
            .map(|metric| user::Measured::new(metric, &places, lens.past))
            .collect();
        let phases = experiment.phases.len().max(1);
        for variant in &mut tally.variants {
            variant.users_by_phase = vec![0; phases];
        }
        for mut user in users.into_values() {
            if user.events > limits::MAX_EVENTS_PER_USER {
                leave_out(&mut tally, &user, &places);
            } else {
                let count = tally.variants.len();
                note_assignment(&mut tally, &user, count);
                if let Some(variant) = tally.variants.get_mut(user.variant) {
                    take(variant, &mut user, &metrics, &places)?;
                }
            }
        }
        Ok(tally)
    }
}

/// A robot's events did count when they were met one by one; they are taken back.
fn leave_out(tally: &mut Tally, user: &User, places: &Places) {
    if let Some(variant) = tally.variants.get_mut(user.variant) {
        variant.robots += 1;
    }
    for (event_type, events) in user.events_by_type(places) {
        let fates: &mut Fates = tally.ledger.entry(event_type.clone()).or_default();
        fates.counted = fates.counted.saturating_sub(events);
        fates.robots += events;
    }
}

fn note_assignment(tally: &mut Tally, user: &User, variants: usize) {
    tally.assigned = span(tally.assigned, Some((user.assigned_at, user.assigned_at)));
    let hour = tally.hours.entry(hour_of(user.assigned_at)).or_default();
    let mut one = vec![0; variants];
    if let Some(count) = one.get_mut(user.variant) {
        *count = 1;
    }
    add_counts(&mut hour.assigned, &one);
}

/// Adds what a user contributes to the variant: by day, by cohort, by segment.
fn take(
    variant: &mut VariantTally,
    user: &mut User,
    metrics: &[user::Measured<'_>],
    places: &Places,
) -> Result<(), Overflow> {
    if let Some(users) = variant.users_by_phase.get_mut(user.phase) {
        *users += 1;
    }
    let day = day_of(user.assigned_at);
    variant.days.entry(day).or_default().users += 1;
    variant.cohorts.entry(day).or_default().users += 1;
    user.sort();
    let mut in_all = Cell {
        users: 1,
        ..Cell::default()
    };
    for metric in metrics {
        let last = metric.each_day(user, |day, before, after| {
            let cell = variant.days.entry(day).or_default();
            let sums = cell.metrics.entry(metric.key().clone()).or_default();
            sums.apply(before, false, metric.bucketed())?;
            sums.apply(after, true, metric.bucketed())
        })?;
        let early = metric.early(user);
        if early != user::NOTHING {
            let cohort = variant.cohorts.entry(day).or_default();
            let sums = cohort.metrics.entry(metric.key().clone()).or_default();
            sums.apply(&early, true, false)?;
        }
        if last != user::NOTHING && !user.segments.is_empty() {
            let sums = in_all.metrics.entry(metric.key().clone()).or_default();
            sums.apply(&last, true, metric.bucketed())?;
        }
    }
    for segment in &user.segments {
        if let Some(segment) = places.segment_at(*segment) {
            variant
                .segments
                .entry(segment.clone())
                .or_default()
                .add(&in_all)?;
        }
    }
    Ok(())
}
