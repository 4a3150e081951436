//! Event accounting by day.

use super::series::{MAX_DAYS, date};
use crate::aggregates::{EventCounts, ExperimentAggregates};
use crate::ids::EventType;
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// See [`EventCounts::other_users`].
    pub other_users: Vec<u64>,
}

impl EventAccountingByDay {
    pub(super) fn new(aggregates: &ExperimentAggregates) -> Self {
        let left_out = aggregates.event_accounting.len().saturating_sub(MAX_DAYS);
        let event_accounting = || aggregates.event_accounting.iter().skip(left_out);
        let seen = event_accounting().flat_map(|(_, types)| types.keys());
        let mut types: BTreeMap<EventType, DailyEventCounts> = seen
            .map(|event_type| (event_type.clone(), DailyEventCounts::default()))
            .collect();
        for (_, day) in event_accounting() {
            for (event_type, columns) in &mut types {
                columns.push(day.get(event_type).copied().unwrap_or_default());
            }
        }
        Self {
            days: event_accounting().map(|(day, _)| date(*day)).collect(),
            types,
        }
    }
}

impl DailyEventCounts {
    fn push(&mut self, event_counts: EventCounts) {
        self.counted.push(event_counts.counted);
        self.excluded_by_end.push(event_counts.excluded_by_end);
        self.other_users.push(event_counts.other_users);
    }
}
