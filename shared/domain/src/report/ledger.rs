//! Where the stored events went, day by day.

use super::series::{MAX_DAYS, date};
use crate::ids::EventType;
use crate::tally::{Fates, Tally};
use serde::Serialize;
use std::collections::BTreeMap;

/// Columns of equal length, one place for each day of which there are events.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerByDay {
    /// UTC days, the latest ones.
    pub days: Vec<String>,
    /// Events of each type.
    pub types: BTreeMap<EventType, FatesByDay>,
}

/// Where the events of one type went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FatesByDay {
    /// Counted.
    pub counted: Vec<u64>,
    /// After the end of the experiment.
    pub after_end: Vec<u64>,
    /// As [`Fates::other_users`].
    pub other_users: Vec<u64>,
}

impl LedgerByDay {
    pub(super) fn new(tally: &Tally) -> Self {
        let left_out = tally.ledger.len().saturating_sub(MAX_DAYS);
        let ledger = || tally.ledger.iter().skip(left_out);
        let seen = ledger().flat_map(|(_, types)| types.keys());
        let mut types: BTreeMap<EventType, FatesByDay> = seen
            .map(|event_type| (event_type.clone(), FatesByDay::default()))
            .collect();
        for (_, day) in ledger() {
            for (event_type, columns) in &mut types {
                columns.push(day.get(event_type).copied().unwrap_or_default());
            }
        }
        Self {
            days: ledger().map(|(day, _)| date(*day)).collect(),
            types,
        }
    }
}

impl FatesByDay {
    fn push(&mut self, fates: Fates) {
        self.counted.push(fates.counted);
        self.after_end.push(fates.after_end);
        self.other_users.push(fates.other_users);
    }
}
