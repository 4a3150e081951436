//! One user while the records are read, and what the user contributes to a metric.

use super::Overflow;
use crate::domain::decimal::MILLIONTHS;
use crate::domain::ids::{EventType, MetricKey};
use crate::domain::metric::{Measure, Metric, MetricKind};
use crate::domain::sums::{UserState, Values};
use crate::domain::tally::{Day, Segment, day_of};
use crate::domain::time::Timestamp;
use std::collections::HashMap;

/// A user of whom nothing is known.
pub(super) const NOTHING: UserState = UserState {
    converted: false,
    values: [0; crate::domain::sums::MAX_QUANTITIES],
};

/// Event types and segments by number, so that a user need not hold their names.
#[derive(Default)]
pub(super) struct Places {
    types: Vec<EventType>,
    by_type: HashMap<EventType, usize>,
    segments: Vec<Segment>,
    by_segment: HashMap<(String, String), usize>,
}

impl Places {
    pub(super) fn event_type(&mut self, event_type: &EventType) -> usize {
        if let Some(place) = self.by_type.get(event_type) {
            return *place;
        }
        self.types.push(event_type.clone());
        self.by_type
            .insert(event_type.clone(), self.types.len() - 1);
        self.types.len() - 1
    }

    pub(super) fn segment(&mut self, segment: Segment) -> usize {
        let key = (segment.by.clone(), segment.value.clone());
        *self.by_segment.entry(key).or_insert_with(|| {
            self.segments.push(segment);
            self.segments.len() - 1
        })
    }

    pub(super) fn segment_at(&self, place: usize) -> Option<&Segment> {
        self.segments.get(place)
    }
}

/// How many events of each type, and their summed value in millionths.
#[derive(Default)]
pub(super) struct Subtotals(Vec<(usize, u32, i128)>);

impl Subtotals {
    pub(super) fn add(&mut self, place: usize, value: i128) -> Result<(), Overflow> {
        match self.0.iter_mut().find(|(known, ..)| *known == place) {
            Some((_, count, sum)) => {
                *count = count.saturating_add(1);
                *sum = sum.checked_add(value).ok_or(Overflow)?;
            }
            None => self.0.push((place, 1, value)),
        }
        Ok(())
    }

    fn of(&self, place: Option<usize>) -> (u32, i128) {
        let found = self.0.iter().find(|(known, ..)| Some(*known) == place);
        found.map_or((0, 0), |(_, count, sum)| (*count, *sum))
    }
}

struct Activity {
    day: Day,
    place: usize,
    count: u32,
    value: i128,
}

/// One user while the records are read.
pub(super) struct User {
    pub(super) variant: usize,
    pub(super) phase: usize,
    pub(super) assigned_at: Timestamp,
    pub(super) segments: Vec<usize>,
    pub(super) events: u32,
    /// Within the first hours after the assignment.
    pub(super) early: Subtotals,
    /// Before the assignment.
    pub(super) past: Subtotals,
    /// By day and type.
    activity: Vec<Activity>,
}

impl User {
    pub(super) fn new(
        variant: usize,
        phase: usize,
        assigned_at: Timestamp,
        segments: Vec<usize>,
    ) -> Self {
        Self {
            variant,
            phase,
            assigned_at,
            segments,
            events: 0,
            early: Subtotals::default(),
            past: Subtotals::default(),
            activity: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, day: Day, place: usize, value: i128) -> Result<(), Overflow> {
        // Events come roughly in the order of time, so the day is nearly always the last one.
        let known = self
            .activity
            .iter_mut()
            .rev()
            .find(|known| known.day == day && known.place == place);
        match known {
            Some(known) => {
                known.count = known.count.saturating_add(1);
                known.value = known.value.checked_add(value).ok_or(Overflow)?;
            }
            None => self.activity.push(Activity {
                day,
                place,
                count: 1,
                value,
            }),
        }
        Ok(())
    }

    pub(super) fn sort(&mut self) {
        self.activity.sort_by_key(|activity| activity.day);
    }

    pub(super) fn events_by_type<'p>(
        &self,
        places: &'p Places,
    ) -> impl Iterator<Item = (&'p EventType, u64)> {
        let known = |activity: &Activity| {
            let event_type = places.types.get(activity.place)?;
            Some((event_type, u64::from(activity.count)))
        };
        self.activity.iter().filter_map(known)
    }
}

/// A metric, with the numbers of the event types that it needs.
pub(super) struct Measured<'m> {
    metric: &'m Metric,
    quantities: Vec<(Option<usize>, Measure)>,
    past: bool,
}

fn measured(measure: Measure, (count, value): (u32, i128)) -> i128 {
    match measure {
        Measure::Conversion => i128::from(count > 0) * MILLIONTHS,
        Measure::Count => i128::from(count) * MILLIONTHS,
        Measure::Sum => value,
    }
}

impl<'m> Measured<'m> {
    pub(super) fn new(metric: &'m Metric, places: &Places, past: bool) -> Self {
        let place = |event_type: &EventType| places.by_type.get(event_type).copied();
        Self {
            metric,
            quantities: metric
                .quantities()
                .map(|(event_type, measure)| (place(event_type), measure))
                .collect(),
            past,
        }
    }

    pub(super) fn key(&self) -> &MetricKey {
        &self.metric.key
    }

    pub(super) fn bucketed(&self) -> bool {
        self.metric.needs_buckets()
    }

    /// The user's state at the assignment: only the past, where it is known.
    ///
    /// The covariates of a ratio are its own numerator and denominator before; those of all others are the same
    /// number before, and whether there was a past at all, so that newcomers are not taken for idle users.
    fn at_assignment(&self, user: &User) -> UserState {
        let mut state = NOTHING;
        if self.past {
            let covariates = state.values.iter_mut().skip(self.quantities.len());
            let before = self
                .quantities
                .iter()
                .map(|(place, measure)| measured(*measure, user.past.of(*place)));
            let has_past = i128::from(!user.past.0.is_empty()) * MILLIONTHS;
            let is_ratio = matches!(self.metric.kind, MetricKind::Ratio { .. });
            let before = before.chain((!is_ratio).then_some(has_past));
            for (covariate, before) in covariates.zip(before) {
                *covariate = before;
            }
        }
        state
    }

    /// Calls back for each day on which the user's state changed, with the state before and after; gives the last one.
    pub(super) fn each_day(
        &self,
        user: &User,
        mut changed: impl FnMut(Day, &UserState, &UserState) -> Result<(), Overflow>,
    ) -> Result<UserState, Overflow> {
        let mut state = self.at_assignment(user);
        if state != NOTHING {
            changed(day_of(user.assigned_at), &NOTHING, &state)?;
        }
        let mut totals: [(u32, i128); 2] = [(0, 0); 2];
        let mut activity = user.activity.iter().peekable();
        while let Some(first) = activity.peek() {
            let day = first.day;
            let before = state;
            while let Some(today) = activity.next_if(|next| next.day == day) {
                for ((place, _), total) in self.quantities.iter().zip(&mut totals) {
                    if *place == Some(today.place) {
                        total.0 = total.0.saturating_add(today.count);
                        total.1 = total.1.checked_add(today.value).ok_or(Overflow)?;
                    }
                }
            }
            self.fill(&mut state, &totals);
            if state != before {
                changed(day, &before, &state)?;
            }
        }
        Ok(state)
    }

    fn fill(&self, state: &mut UserState, totals: &[(u32, i128); 2]) {
        let values: &mut Values = &mut state.values;
        for ((value, (_, measure)), total) in values.iter_mut().zip(&self.quantities).zip(totals) {
            *value = measured(*measure, *total);
        }
        state.converted = totals[0].0 > 0;
    }

    /// The user's state after the first hours.
    pub(super) fn early(&self, user: &User) -> UserState {
        let mut totals = [(0, 0); 2];
        for (total, (place, _)) in totals.iter_mut().zip(&self.quantities) {
            *total = user.early.of(*place);
        }
        let mut state = NOTHING;
        self.fill(&mut state, &totals);
        state
    }
}
