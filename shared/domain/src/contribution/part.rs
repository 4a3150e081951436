//! Consecutive entries of a contribution, so that what changed is computed without the entries before.

use super::{ContributionEntry, Disposition, UserContribution};
use crate::ids::EventType;
use crate::sums::Overflow;
use std::collections::HashMap;
use std::ops::Range;

/// Entries of a contribution.
#[derive(Debug, Clone)]
pub struct ContributionPart<'c> {
    pub(super) contribution: &'c UserContribution,
    /// The entries. They begin with the first one of a day.
    pub(super) entries: Range<usize>,
    /// The totals of the entries before; none if the part begins with the assignment.
    pub(super) before: Option<&'c RunningTotals<'c>>,
    /// The number of records in the contribution up to the last of the entries.
    pub(super) records: u64,
}

impl<'c> ContributionPart<'c> {
    /// All of a contribution.
    pub fn all(contribution: &'c UserContribution) -> Self {
        Self {
            contribution,
            entries: 0..contribution.entries.len(),
            before: None,
            records: contribution.records,
        }
    }

    /// The entries of this part.
    pub(super) fn entries(&self) -> &'c [ContributionEntry] {
        let entries = self.contribution.entries.get(self.entries.clone());
        entries.unwrap_or_default()
    }

    /// The totals of a type's counted entries before this part.
    pub(super) fn total_before(&self, event_type: &EventType, early: bool) -> EntryTotal {
        let totals = self.before.and_then(|totals| {
            let totals = totals.0.get(event_type)?;
            let after = totals.partition_point(|(entry, _)| *entry < self.entries.start);
            totals.get(after.checked_sub(1)?)
        });
        totals.map_or_else(
            EntryTotal::default,
            |(_, [all, first_hours])| {
                if early { *first_hours } else { *all }
            },
        )
    }
}

/// Events of one type, and Σ of their values in millionths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EntryTotal {
    pub(super) events: u32,
    pub(super) value: i128,
}

impl EntryTotal {
    /// Adds an entry.
    pub(super) fn add(&mut self, entry: &ContributionEntry) -> Result<(), Overflow> {
        self.events = self.events.saturating_add(entry.events);
        self.value = self.value.checked_add(entry.value).ok_or(Overflow)?;
        Ok(())
    }
}

/// The totals of each event type after each of its counted entries: of all, and of those in the first hours.
#[derive(Debug)]
pub(super) struct RunningTotals<'c>(HashMap<&'c EventType, Vec<(usize, [EntryTotal; 2])>>);

impl<'c> RunningTotals<'c> {
    pub(super) fn of(entries: &'c [ContributionEntry]) -> Result<Self, Overflow> {
        let mut totals = HashMap::<_, Vec<(usize, [EntryTotal; 2])>>::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.disposition.is_counted() {
                let of_type = totals.entry(&*entry.event_type).or_default();
                let (_, mut after) = of_type.last().copied().unwrap_or_default();
                after[0].add(entry)?;
                if entry.disposition == Disposition::CountedEarly {
                    after[1].add(entry)?;
                }
                of_type.push((index, after));
            }
        }
        Ok(Self(totals))
    }
}
