//! What a user's contribution adds to the aggregates.

use super::part::EntryTotal;
use super::{
    ContributionEntry, ContributionPart, Disposition, Enrolment, PreExposure, UserContribution,
};
use crate::aggregates::{
    AggregateCell, Day, ExperimentAggregates, VariantAggregates, day_of, day_of_hour, hour_of,
};
use crate::decimal::MILLIONTHS;
use crate::ids::EventType;
use crate::metric::{Measure, Metric, MetricSpec};
use crate::sums::{MAX_QUANTITIES, MetricSums, Overflow, UserMetricValues};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOTHING: UserMetricValues = UserMetricValues {
    converted: false,
    values: [0; MAX_QUANTITIES],
};

/// Adds contributions to aggregates, by the metrics of a definition.
pub struct AggregateBuilder<'m> {
    declared: Cow<'m, [MetricSpec]>,
    /// Metrics of the event types seen so far, if the definition declares none.
    seen: BTreeMap<Arc<EventType>, Vec<MetricSpec>>,
    pre_exposure: bool,
}

impl<'m> AggregateBuilder<'m> {
    /// A builder for these metrics, with or without pre-exposure covariates. Without metrics, every event type has
    /// metrics.
    pub fn new(declared: impl Into<Cow<'m, [MetricSpec]>>, pre_exposure: bool) -> Self {
        Self {
            declared: declared.into(),
            seen: BTreeMap::new(),
            pre_exposure,
        }
    }

    /// Adds a sealed contribution to the aggregates.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn add(
        &mut self,
        contribution: &UserContribution,
        aggregates: &mut ExperimentAggregates,
    ) -> Result<(), Overflow> {
        self.add_part(&ContributionPart::all(contribution), aggregates)
    }

    /// Adds what the entries of a part add to the days from its first one on.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn add_part(
        &mut self,
        part: &ContributionPart<'_>,
        aggregates: &mut ExperimentAggregates,
    ) -> Result<(), Overflow> {
        let contribution = part.contribution;
        aggregates.records += part.records;
        for entry in part.entries() {
            let day = aggregates
                .event_accounting
                .entry(day_of_hour(entry.hour))
                .or_default();
            let event_counts = day.entry(EventType::clone(&entry.event_type)).or_default();
            let events = u64::from(entry.events);
            match entry.disposition {
                Disposition::CountedEarly | Disposition::Counted => event_counts.counted += events,
                Disposition::ExcludedByEnd => event_counts.excluded_by_end += events,
                Disposition::OutsideWindow => event_counts.outside_window += events,
                Disposition::NotAssigned => event_counts.other_users += events,
                Disposition::ExcludedUser => event_counts.excluded_users += events,
            }
        }
        let Some(enrolment) = &contribution.enrolment else {
            return Ok(());
        };
        let variants = aggregates.variants.len();
        let Some(variant) = aggregates.variants.get_mut(enrolment.variant) else {
            return Ok(());
        };
        let begins = part.before.is_none();
        if contribution.outlier {
            variant.outlier_users += u64::from(begins);
            return Ok(());
        }
        if contribution.excluded {
            variant.excluded_users += u64::from(begins);
            return Ok(());
        }
        self.learn(enrolment, part.entries());
        self.take(variant, enrolment, part)?;
        note_hours(aggregates, enrolment, part, variants);
        Ok(())
    }

    fn learn(&mut self, enrolment: &Enrolment, entries: &[ContributionEntry]) {
        if !self.declared.is_empty() {
            return;
        }
        let pre_exposure = enrolment.pre_exposure.iter().filter(|_| self.pre_exposure);
        let pre_exposure = pre_exposure.map(|pre_exposure| &pre_exposure.event_type);
        let counted = entries
            .iter()
            .filter(|entry| entry.disposition.is_counted());
        for event_type in pre_exposure.chain(counted.map(|entry| &entry.event_type)) {
            // Types without aggregates of their own have no metrics: their sum means nothing.
            if event_type.as_str() != EventType::OTHERS && !self.seen.contains_key(event_type) {
                let metrics = Metric::of_seen_type(event_type);
                let metrics = metrics.iter().map(MetricSpec::from).collect();
                self.seen.insert(event_type.clone(), metrics);
            }
        }
    }

    fn metrics<'s>(
        &'s self,
        enrolment: &Enrolment,
        entries: &[ContributionEntry],
    ) -> Vec<&'s MetricSpec> {
        if !self.declared.is_empty() {
            return self.declared.iter().collect();
        }
        let had = |event_type: &Arc<EventType>| {
            self.pre_exposure
                && enrolment
                    .pre_exposure
                    .iter()
                    .any(|pre_exposure| pre_exposure.event_type == *event_type)
                || entries
                    .iter()
                    .any(|entry| entry.disposition.is_counted() && entry.event_type == *event_type)
        };
        let seen = self.seen.iter().filter(|(event_type, _)| had(event_type));
        seen.flat_map(|(_, metrics)| metrics).collect()
    }

    fn take(
        &self,
        variant: &mut VariantAggregates,
        enrolment: &Enrolment,
        part: &ContributionPart<'_>,
    ) -> Result<(), Overflow> {
        let phase = enrolment.phase;
        let first = day_of(enrolment.assigned_at);
        if part.before.is_none() {
            variant.days.entry((first, phase)).or_default().users += 1;
            variant.cohorts.entry((first, 0)).or_default().users += 1;
            for dimension in &enrolment.dimensions {
                let days = variant.dimensions.entry(dimension.clone()).or_default();
                days.entry((first, phase)).or_default().users += 1;
            }
        }
        for metric in self.metrics(enrolment, part.entries()) {
            let before = self.at_assignment(metric, &enrolment.pre_exposure);
            each_day(metric, before, first, part, false, |day, before, after| {
                let cell = variant.days.entry((day, phase)).or_default();
                apply(cell, metric, before, after, metric.buckets)?;
                for dimension in &enrolment.dimensions {
                    let days = variant.dimensions.entry(dimension.clone()).or_default();
                    let cell = days.entry((day, phase)).or_default();
                    apply(cell, metric, before, after, metric.buckets)?;
                }
                Ok(())
            })?;
            each_day(metric, NOTHING, first, part, true, |day, before, after| {
                // The first hours of a user end at the latest on the day after the assignment.
                let offset = u8::from(day > first);
                let cell = variant.cohorts.entry((first, offset)).or_default();
                apply(cell, metric, before, after, false)
            })?;
        }
        Ok(())
    }

    /// The user's values at the assignment: only covariates.
    ///
    /// A ratio has its own pre-exposure numerator and denominator as covariates. Every other metric has two: its
    /// pre-exposure value, and whether the user has any pre-exposure event, which separates new users from inactive
    /// ones. Without declared metrics a type has metrics only for users with that type. There the second covariate is
    /// about pre-exposure events of this type: otherwise it would depend on what the users did after the assignment.
    fn at_assignment(&self, metric: &MetricSpec, pre_exposure: &[PreExposure]) -> UserMetricValues {
        let mut state = NOTHING;
        if !self.pre_exposure {
            return state;
        }
        let own = usize::from(metric.denominator.is_some()) + 1;
        let covariates = state.values.iter_mut().skip(own);
        let of_type = |event_type: &EventType| {
            let found = pre_exposure
                .iter()
                .find(|pre_exposure| *pre_exposure.event_type == *event_type);
            found.map_or((0, 0), |pre_exposure| {
                (pre_exposure.events, pre_exposure.value)
            })
        };
        let before = metric.quantities().map(|(event_type, measure)| {
            let (events, value) = of_type(event_type);
            measured(measure, events, value)
        });
        let has_pre_exposure = if self.declared.is_empty() {
            of_type(&metric.event_type).0 > 0
        } else {
            !pre_exposure.is_empty()
        };
        let has_pre_exposure = i128::from(has_pre_exposure) * MILLIONTHS;
        let before = before.chain(metric.denominator.is_none().then_some(has_pre_exposure));
        for (covariate, before) in covariates.zip(before) {
            *covariate = before;
        }
        state
    }
}

fn apply(
    cell: &mut AggregateCell,
    metric: &MetricSpec,
    before: &UserMetricValues,
    after: &UserMetricValues,
    buckets: bool,
) -> Result<(), Overflow> {
    let sums: &mut MetricSums = cell.metrics.entry(metric.key.clone()).or_default();
    sums.apply(before, false, buckets)?;
    sums.apply(after, true, buckets)
}

fn measured(measure: Measure, events: u32, value: i128) -> i128 {
    match measure {
        Measure::Conversion => i128::from(events > 0) * MILLIONTHS,
        Measure::Count => i128::from(events) * MILLIONTHS,
        Measure::Sum => value,
    }
}

/// Calls back for each day of a part on which the user's values changed, with the values before and after. `early` counts
/// the first hours only.
fn each_day(
    metric: &MetricSpec,
    at_assignment: UserMetricValues,
    first: Day,
    part: &ContributionPart<'_>,
    early: bool,
    mut changed: impl FnMut(Day, &UserMetricValues, &UserMetricValues) -> Result<(), Overflow>,
) -> Result<(), Overflow> {
    let mut totals = [EntryTotal::default(); 2];
    for ((event_type, _), total) in metric.quantities().zip(&mut totals) {
        *total = part.total_before(event_type, early);
    }
    let with_totals = |totals: &[EntryTotal; 2]| {
        let mut values = at_assignment;
        let measured = metric
            .quantities()
            .zip(totals)
            .map(|((_, measure), total)| measured(measure, total.events, total.value));
        for (value, measured) in values.values.iter_mut().zip(measured) {
            *value = measured;
        }
        values.converted = totals[0].events > 0;
        values
    };
    let mut state = with_totals(&totals);
    if part.before.is_none() && state != NOTHING {
        changed(first, &NOTHING, &state)?;
    }
    let wanted = |entry: &&ContributionEntry| match early {
        true => entry.disposition == Disposition::CountedEarly,
        false => entry.disposition.is_counted(),
    };
    let mut entries = part.entries().iter().filter(wanted).peekable();
    while let Some(next) = entries.peek() {
        let day = day_of_hour(next.hour);
        while let Some(today) = entries.next_if(|entry| day_of_hour(entry.hour) == day) {
            for ((event_type, _), total) in metric.quantities().zip(&mut totals) {
                if *today.event_type == *event_type {
                    total.add(today)?;
                }
            }
        }
        let before = std::mem::replace(&mut state, with_totals(&totals));
        if state != before {
            changed(day, &before, &state)?;
        }
    }
    Ok(())
}

fn note_hours(
    aggregates: &mut ExperimentAggregates,
    enrolment: &Enrolment,
    part: &ContributionPart<'_>,
    variants: usize,
) {
    let one_more = |counts: &mut Vec<u64>, by: u64| {
        counts.resize(variants, 0);
        if let Some(count) = counts.get_mut(enrolment.variant) {
            *count += by;
        }
    };
    if part.before.is_none() {
        let hour = hour_of(enrolment.assigned_at);
        one_more(&mut aggregates.hours.entry(hour).or_default().assigned, 1);
    }
    let counted = |entry: &&ContributionEntry| entry.disposition.is_counted();
    for entry in part.entries().iter().filter(counted) {
        let hour = aggregates.hours.entry(entry.hour).or_default();
        let counts = hour.events.entry(EventType::clone(&entry.event_type));
        one_more(counts.or_default(), u64::from(entry.events));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregates::start_of;

    fn contribution(pre_exposure: &str, later: Option<&str>) -> UserContribution {
        let name = |text: &str| Arc::new(EventType::parse(text).unwrap());
        let entry = |text: &str| ContributionEntry {
            hour: 72,
            event_type: name(text),
            disposition: Disposition::Counted,
            events: 1,
            value: 0,
        };
        UserContribution {
            enrolment: Some(Enrolment {
                variant: 0,
                phase: 0,
                assigned_at: start_of(1),
                dimensions: Vec::new(),
                pre_exposure: vec![PreExposure {
                    event_type: name(pre_exposure),
                    events: 1,
                    value: 0,
                }],
            }),
            outlier: false,
            excluded: false,
            entries: later.map(entry).into_iter().collect(),
            records: 1,
        }
    }

    /// The covariates of all metrics, by metric key.
    fn known_before(contribution: &UserContribution) -> Vec<(String, [i128; MAX_QUANTITIES - 1])> {
        let mut aggregates = ExperimentAggregates::empty(1);
        let mut builder = AggregateBuilder::new(Vec::new(), true);
        builder.add(contribution, &mut aggregates).unwrap();
        let total = aggregates.variants[0].total().unwrap();
        let known = total.metrics.iter().map(|(key, sums)| {
            let [_, before @ ..] = sums.sums;
            (key.to_string(), before)
        });
        known.filter(|(_, before)| *before != [0; 3]).collect()
    }

    #[test]
    fn without_declared_metrics_too_what_users_do_later_is_not_known_before() {
        let without = known_before(&contribution("view", None));
        assert_eq!(without.len(), 2, "view has a pre_exposure");
        for later in ["view", "buy"] {
            assert_eq!(known_before(&contribution("view", Some(later))), without);
        }
    }
}
