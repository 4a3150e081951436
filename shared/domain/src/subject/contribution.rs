//! What a user adds to the sums.

use super::{Enrolment, Entry, Fate, Past, Subject};
use crate::decimal::MILLIONTHS;
use crate::ids::EventType;
use crate::metric::{Measure, Metric, MetricSpec};
use crate::sums::{MAX_QUANTITIES, MetricSums, Overflow, UserState};
use crate::tally::{Cell, Day, Tally, VariantTally, day_of, day_of_hour, hour_of};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOTHING: UserState = UserState {
    converted: false,
    values: [0; MAX_QUANTITIES],
};

/// Turns subjects into sums by the metrics that are asked for.
pub struct Contribution<'m> {
    declared: Cow<'m, [MetricSpec]>,
    /// Without declared metrics there are those of every type that the user had.
    seen: BTreeMap<Arc<EventType>, Vec<MetricSpec>>,
    past: bool,
}

impl<'m> Contribution<'m> {
    /// Over these metrics, with or without the users' past as covariates. No metrics: those of every event type seen.
    pub fn new(declared: impl Into<Cow<'m, [MetricSpec]>>, past: bool) -> Self {
        Self {
            declared: declared.into(),
            seen: BTreeMap::new(),
            past,
        }
    }

    /// Adds a sealed subject to the sums.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn add(&mut self, subject: &Subject, tally: &mut Tally) -> Result<(), Overflow> {
        for entry in &subject.entries {
            let day = tally.ledger.entry(day_of_hour(entry.hour)).or_default();
            let fates = day.entry(EventType::clone(&entry.event_type)).or_default();
            let events = u64::from(entry.events);
            match entry.fate {
                Fate::Early | Fate::Counted => fates.counted += events,
                Fate::AfterEnd => fates.after_end += events,
                Fate::OutsideWindow => fates.outside_window += events,
                Fate::Unassigned => fates.other_users += events,
            }
        }
        let Some(enrolment) = &subject.enrolment else {
            return Ok(());
        };
        let variants = tally.variants.len();
        let Some(variant) = tally.variants.get_mut(enrolment.variant) else {
            return Ok(());
        };
        if subject.robot {
            variant.robots += 1;
            return Ok(());
        }
        self.learn(enrolment, &subject.entries);
        self.take(variant, enrolment, &subject.entries)?;
        note_hours(tally, enrolment, &subject.entries, variants);
        Ok(())
    }

    fn learn(&mut self, enrolment: &Enrolment, entries: &[Entry]) {
        if !self.declared.is_empty() {
            return;
        }
        let past = enrolment.past.iter().filter(|_| self.past);
        let past = past.map(|past| &past.event_type);
        let counted = entries.iter().filter(|entry| entry.fate.is_counted());
        for event_type in past.chain(counted.map(|entry| &entry.event_type)) {
            if !self.seen.contains_key(event_type) {
                let metrics = Metric::of_seen_type(event_type);
                let metrics = metrics.iter().map(MetricSpec::from).collect();
                self.seen.insert(event_type.clone(), metrics);
            }
        }
    }

    fn metrics<'s>(&'s self, enrolment: &Enrolment, entries: &[Entry]) -> Vec<&'s MetricSpec> {
        if !self.declared.is_empty() {
            return self.declared.iter().collect();
        }
        let had = |event_type: &Arc<EventType>| {
            self.past
                && enrolment
                    .past
                    .iter()
                    .any(|past| past.event_type == *event_type)
                || entries
                    .iter()
                    .any(|entry| entry.fate.is_counted() && entry.event_type == *event_type)
        };
        let seen = self.seen.iter().filter(|(event_type, _)| had(event_type));
        seen.flat_map(|(_, metrics)| metrics).collect()
    }

    fn take(
        &self,
        variant: &mut VariantTally,
        enrolment: &Enrolment,
        entries: &[Entry],
    ) -> Result<(), Overflow> {
        let phase = enrolment.phase;
        let first = day_of(enrolment.assigned_at);
        variant.days.entry((first, phase)).or_default().users += 1;
        variant.cohorts.entry((first, 0)).or_default().users += 1;
        for segment in &enrolment.segments {
            let days = variant.segments.entry(segment.clone()).or_default();
            days.entry((first, phase)).or_default().users += 1;
        }
        for metric in self.metrics(enrolment, entries) {
            let before = self.at_assignment(metric, &enrolment.past);
            let all = |entry: &Entry| entry.fate.is_counted();
            each_day(metric, before, first, entries, all, |day, before, after| {
                let cell = variant.days.entry((day, phase)).or_default();
                apply(cell, metric, before, after, metric.buckets)?;
                for segment in &enrolment.segments {
                    let days = variant.segments.entry(segment.clone()).or_default();
                    let cell = days.entry((day, phase)).or_default();
                    apply(cell, metric, before, after, metric.buckets)?;
                }
                Ok(())
            })?;
            let early = |entry: &Entry| entry.fate == Fate::Early;
            each_day(
                metric,
                NOTHING,
                first,
                entries,
                early,
                |day, before, after| {
                    // The first hours of a user end on the day after the assignment at the latest.
                    let offset = u8::from(day > first);
                    let cell = variant.cohorts.entry((first, offset)).or_default();
                    apply(cell, metric, before, after, false)
                },
            )?;
        }
        Ok(())
    }

    /// The user's state at the assignment: only the past, where it is known.
    ///
    /// The covariates of a ratio are its own numerator and denominator before; those of all others are the same
    /// number before, and whether there was a past at all, so that newcomers are not taken for idle users. Where no
    /// metric is declared, a type concerns only the users who had it. If it told of them alone whether they had any
    /// past, that would tell what they did later: so it is about the past of this type.
    fn at_assignment(&self, metric: &MetricSpec, past: &[Past]) -> UserState {
        let mut state = NOTHING;
        if !self.past {
            return state;
        }
        let own = usize::from(metric.denominator.is_some()) + 1;
        let covariates = state.values.iter_mut().skip(own);
        let of_type = |event_type: &EventType| {
            let found = past.iter().find(|past| *past.event_type == *event_type);
            found.map_or((0, 0), |past| (past.events, past.value))
        };
        let before = metric
            .quantities()
            .map(|(event_type, measure)| measured(measure, of_type(event_type)));
        let has_past = if self.declared.is_empty() {
            of_type(&metric.event_type).0 > 0
        } else {
            !past.is_empty()
        };
        let has_past = i128::from(has_past) * MILLIONTHS;
        let before = before.chain(metric.denominator.is_none().then_some(has_past));
        for (covariate, before) in covariates.zip(before) {
            *covariate = before;
        }
        state
    }
}

fn apply(
    cell: &mut Cell,
    metric: &MetricSpec,
    before: &UserState,
    after: &UserState,
    buckets: bool,
) -> Result<(), Overflow> {
    let sums: &mut MetricSums = cell.metrics.entry(metric.key.clone()).or_default();
    sums.apply(before, false, buckets)?;
    sums.apply(after, true, buckets)
}

fn measured(measure: Measure, (events, value): (u32, i128)) -> i128 {
    match measure {
        Measure::Conversion => i128::from(events > 0) * MILLIONTHS,
        Measure::Count => i128::from(events) * MILLIONTHS,
        Measure::Sum => value,
    }
}

/// Calls back for each day on which the user's state changed, with the state before and after.
fn each_day(
    metric: &MetricSpec,
    at_assignment: UserState,
    first: Day,
    entries: &[Entry],
    wanted: impl Fn(&Entry) -> bool,
    mut changed: impl FnMut(Day, &UserState, &UserState) -> Result<(), Overflow>,
) -> Result<(), Overflow> {
    let mut state = at_assignment;
    if state != NOTHING {
        changed(first, &NOTHING, &state)?;
    }
    let mut totals: [(u32, i128); 2] = [(0, 0); 2];
    let mut entries = entries.iter().filter(|entry| wanted(entry)).peekable();
    while let Some(next) = entries.peek() {
        let day = day_of_hour(next.hour);
        let before = state;
        while let Some(today) = entries.next_if(|entry| day_of_hour(entry.hour) == day) {
            for ((event_type, _), total) in metric.quantities().zip(&mut totals) {
                if *today.event_type == *event_type {
                    total.0 = total.0.saturating_add(today.events);
                    total.1 = total.1.checked_add(today.value).ok_or(Overflow)?;
                }
            }
        }
        for ((value, (_, measure)), total) in
            state.values.iter_mut().zip(metric.quantities()).zip(totals)
        {
            *value = measured(measure, total);
        }
        state.converted = totals[0].0 > 0;
        if state != before {
            changed(day, &before, &state)?;
        }
    }
    Ok(())
}

fn note_hours(tally: &mut Tally, enrolment: &Enrolment, entries: &[Entry], variants: usize) {
    let one_more = |counts: &mut Vec<u64>, by: u64| {
        counts.resize(variants, 0);
        if let Some(count) = counts.get_mut(enrolment.variant) {
            *count += by;
        }
    };
    let hour = tally
        .hours
        .entry(hour_of(enrolment.assigned_at))
        .or_default();
    one_more(&mut hour.assigned, 1);
    for entry in entries.iter().filter(|entry| entry.fate.is_counted()) {
        let hour = tally.hours.entry(entry.hour).or_default();
        let counts = hour.events.entry(EventType::clone(&entry.event_type));
        one_more(counts.or_default(), u64::from(entry.events));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::start_of;

    fn subject(past: &str, later: Option<&str>) -> Subject {
        let name = |text: &str| Arc::new(EventType::parse(text).unwrap());
        let entry = |text: &str| Entry {
            hour: 72,
            event_type: name(text),
            fate: Fate::Counted,
            events: 1,
            value: 0,
        };
        Subject {
            enrolment: Some(Enrolment {
                variant: 0,
                phase: 0,
                assigned_at: start_of(1),
                segments: Vec::new(),
                past: vec![Past {
                    event_type: name(past),
                    events: 1,
                    value: 0,
                }],
            }),
            robot: false,
            entries: later.map(entry).into_iter().collect(),
        }
    }

    /// Covariates of all metrics, by their names.
    fn known_before(subject: &Subject) -> Vec<(String, [i128; MAX_QUANTITIES - 1])> {
        let mut tally = Tally::of_nobody(1);
        let mut contribution = Contribution::new(Vec::new(), true);
        contribution.add(subject, &mut tally).unwrap();
        let total = tally.variants[0].total().unwrap();
        let known = total.metrics.iter().map(|(key, sums)| {
            let [_, before @ ..] = sums.sums;
            (key.to_string(), before)
        });
        known.filter(|(_, before)| *before != [0; 3]).collect()
    }

    #[test]
    fn without_declared_metrics_too_what_users_do_later_is_not_known_before() {
        let without = known_before(&subject("view", None));
        assert_eq!(without.len(), 2, "view has a past");
        for later in ["view", "buy"] {
            assert_eq!(known_before(&subject("view", Some(later))), without);
        }
    }
}
