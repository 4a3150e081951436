//! Event accounting by day.
//!
//! Numbers of [`MAX_TYPES`] types on [`MAX_DAYS`] days stay below 300 KB, with up to ten digits in each.

use super::series::date;
use super::size::MAX_DAYS;
use crate::aggregates::{EventCounts, ExperimentAggregates};
use crate::ids::EventType;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Event types with numbers of their own: those with the most events. The others share [`EventType::OTHERS`].
const MAX_TYPES: usize = 20;

/// Columns of equal length, one row per day with events.
#[derive(Debug, Clone, Serialize)]
pub struct EventAccountingByDay {
    /// UTC days, the latest ones.
    pub days: Vec<String>,
    /// Numbers by event type.
    pub types: BTreeMap<EventType, DailyEventCounts>,
}

/// Numbers of one event type, by disposition.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DailyEventCounts {
    /// Counted events.
    pub counted: Vec<u64>,
    /// Events that were stored for the experiment and that its end excludes.
    pub excluded_by_end: Vec<u64>,
    /// See [`EventCounts::other_users`]; with the events of users that the definition excludes.
    pub other_users: Vec<u64>,
}

impl EventAccountingByDay {
    pub(super) fn new(aggregates: &ExperimentAggregates) -> Self {
        let left_out = aggregates.event_accounting.len().saturating_sub(MAX_DAYS);
        let days: Vec<_> = aggregates.event_accounting.iter().skip(left_out).collect();
        let mut totals = BTreeMap::<&EventType, u64>::new();
        for (event_type, counts) in days.iter().flat_map(|(_, types)| *types) {
            *totals.entry(event_type).or_default() += counts.total();
        }
        let mut by_total: Vec<_> = totals.into_iter().collect();
        by_total.sort_by_key(|(event_type, total)| (Reverse(*total), *event_type));
        let own: BTreeSet<&EventType> = by_total
            .iter()
            .map(|(event_type, _)| *event_type)
            .filter(|event_type| event_type.as_str() != EventType::OTHERS)
            .take(MAX_TYPES)
            .collect();
        let rest = EventType::others();
        let shown = |event_type| match own.contains(event_type) {
            true => event_type,
            false => &rest,
        };
        let mut types: BTreeMap<EventType, DailyEventCounts> = by_total
            .iter()
            .map(|(event_type, _)| (shown(event_type).clone(), DailyEventCounts::default()))
            .collect();
        for (_, of_day) in &days {
            let mut counts = BTreeMap::<&EventType, EventCounts>::new();
            for (event_type, more) in *of_day {
                counts.entry(shown(event_type)).or_default().add(more);
            }
            for (event_type, columns) in &mut types {
                columns.push(counts.get(event_type).copied().unwrap_or_default());
            }
        }
        Self {
            days: days.iter().map(|(day, _)| date(**day)).collect(),
            types,
        }
    }
}

impl DailyEventCounts {
    fn push(&mut self, event_counts: EventCounts) {
        self.counted.push(event_counts.counted);
        self.excluded_by_end.push(event_counts.excluded_by_end);
        let other_users = event_counts.other_users + event_counts.excluded_users;
        self.other_users.push(other_users);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_types_on_all_days_are_bounded_and_complete() {
        let mut aggregates = ExperimentAggregates::empty(2);
        let names = (0..265_u64).map(|number| {
            let name = format!("{number:\"<128}");
            (number, EventType::parse(&name).unwrap())
        });
        let mut names: Vec<(u64, EventType)> = names.collect();
        names.push((0, EventType::others()));
        for day in 0..400 {
            let counts = names.iter().map(|(number, name)| {
                let number = 9_999_999_000 + number;
                let counts = EventCounts {
                    counted: number,
                    excluded_by_end: number,
                    outside_window: 0,
                    other_users: number,
                    excluded_users: 0,
                };
                (name.clone(), counts)
            });
            aggregates.event_accounting.insert(day, counts.collect());
        }
        let by_day = EventAccountingByDay::new(&aggregates);
        assert_eq!(by_day.types.len(), MAX_TYPES + 1);
        let largest = &names[264].1;
        assert_eq!(by_day.types[largest].counted[0], 9_999_999_264);
        let shown: u64 = by_day.types.values().map(|one| one.other_users[7]).sum();
        let all = aggregates.event_accounting[&7].values();
        assert_eq!(shown, all.map(|one| one.other_users).sum::<u64>());
        let text = serde_json::to_string(&by_day).unwrap();
        assert!(text.len() < 300_000, "{} bytes", text.len());
    }
}
