//! Sums over the users of each variant: all that a report is computed from.
//!
//! Adding aggregates list of different users gives the aggregates of all of them, in any order, exactly.

use super::experiment::Experiment;
use super::ids::{EventType, MetricKey};
use super::metric::Metric;
use super::sums::{MetricSums, Overflow};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A UTC day, counted from 1970-01-01.
pub type Day = i64;
/// A UTC hour, counted from the one that began 1970.
pub type Hour = i64;

/// The UTC day of an instant.
pub fn day_of(instant: Timestamp) -> Day {
    instant.micros().div_euclid(86_400_000_000)
}

/// The UTC hour of an instant.
pub fn hour_of(instant: Timestamp) -> Hour {
    instant.micros().div_euclid(3_600_000_000)
}

/// The UTC day of an hour.
pub fn day_of_hour(hour: Hour) -> Day {
    hour.div_euclid(24)
}

/// The instant at which a day begins.
pub fn start_of(day: Day) -> Timestamp {
    Timestamp::from_micros(day * 86_400_000_000)
}

/// Some users of one variant, or a change in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AggregateCell {
    /// How many.
    pub users: u64,
    /// Their sums by metric; a metric of which nothing is known is missing.
    pub metrics: BTreeMap<MetricKey, MetricSums>,
}

/// A breakdown of the users and one of its values, such as `country` and `DE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DimensionValue {
    /// What the users are told apart by.
    pub by: String,
    /// What these users have in common.
    pub value: String,
}

/// What is known about one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantAggregates {
    /// Users left out because no user data has that many events.
    pub outlier_users: u64,
    /// What changed on each day.
    pub days: Days,
    /// Users by the day of their assignment, with their sums over the first [`super::contribution::COHORT_HOURS`] hours: what
    /// of these fell on that day (0), and what on the next (1).
    pub cohorts: BTreeMap<(Day, u8), AggregateCell>,
    /// The same as the days, for users by what they were at their assignment.
    pub dimensions: BTreeMap<DimensionValue, Days>,
}

/// What changed on each day, by the phase of the users' assignment (see [`super::experiment::Phase`]): users by the day
/// of their assignment, sums by the day of the event. Adding up all days to some day gives the state at its end.
pub type Days = BTreeMap<(Day, usize), AggregateCell>;

/// Where the stored events of one type went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Counted.
    pub counted: u64,
    /// After the end of the experiment.
    pub after_end: u64,
    /// Outside the window of time that was asked for. Results do not read those, so their answers do not count them.
    #[serde(skip)]
    pub outside_window: u64,
    /// Of users outside the dimension that was asked for, or not assigned before the event as far as was looked.
    pub other_users: u64,
}

impl EventCounts {
    fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.after_end += other.after_end;
        self.outside_window += other.outside_window;
        self.other_users += other.other_users;
    }
}

/// What happened within an hour, by variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HourTraffic {
    /// Users assigned.
    pub assigned: Vec<u64>,
    /// Events counted, by type.
    pub events: BTreeMap<EventType, Vec<u64>>,
}

/// The whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExperimentAggregates {
    /// One for each variant, in the order of the experiment's variants.
    pub variants: Vec<VariantAggregates>,
    /// Where the events went, by day and type; those of outlier users are not looked at one by one.
    pub event_accounting: BTreeMap<Day, BTreeMap<EventType, EventCounts>>,
    /// What happened when.
    pub hours: BTreeMap<Hour, HourTraffic>,
    /// How far the records data range. Not a sum: it cannot be taken back.
    pub data_range: DataRange,
}

/// Between which instants the records lie that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRange {
    /// The first and the last assignment.
    pub assigned: Option<(Timestamp, Timestamp)>,
    /// The first and the last event.
    pub counted: Option<(Timestamp, Timestamp)>,
    /// When the last of the events was received.
    pub received_last: Option<Timestamp>,
}

impl DataRange {
    /// Takes an assignment.
    pub fn assignment(&mut self, at: Timestamp) {
        self.assigned = span(self.assigned, Some((at, at)));
    }

    /// Takes an event.
    pub fn event(&mut self, counted_at: Timestamp, received_at: Option<Timestamp>) {
        self.counted = span(self.counted, Some((counted_at, counted_at)));
        self.received_last = self.received_last.max(received_at);
    }

    /// What both data range.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            assigned: span(self.assigned, other.assigned),
            counted: span(self.counted, other.counted),
            received_last: self.received_last.max(other.received_last),
        }
    }
}

impl AggregateCell {
    /// Adds other users, or a further change.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn add(&mut self, other: &Self) -> Result<(), Overflow> {
        self.users += other.users;
        for (key, sums) in &other.metrics {
            self.metrics.entry(key.clone()).or_default().add(sums)?;
        }
        Ok(())
    }
}

impl VariantAggregates {
    /// All users of the variant, outlier users excepted.
    pub fn users(&self) -> u64 {
        self.days.values().map(|cell| cell.users).sum()
    }

    /// Users assigned in a phase, outlier users excepted.
    pub fn users_in_phase(&self, phase: usize) -> u64 {
        let cells = self.days.iter().filter(|((_, of), _)| *of == phase);
        cells.map(|(_, cell)| cell.users).sum()
    }

    /// What changed on one day, a cell for each phase.
    pub fn on(&self, day: Day) -> impl Iterator<Item = &AggregateCell> {
        self.days
            .range((day, 0)..=(day, usize::MAX))
            .map(|(_, cell)| cell)
    }

    /// The state after all days.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn total(&self) -> Result<AggregateCell, Overflow> {
        sum_of(self.days.values())
    }

    fn merge(&mut self, other: Self) -> Result<(), Overflow> {
        self.outlier_users += other.outlier_users;
        add_cells(&mut self.days, &other.days)?;
        add_cells(&mut self.cohorts, &other.cohorts)?;
        for (dimension, days) in other.dimensions {
            add_cells(self.dimensions.entry(dimension).or_default(), &days)?;
        }
        Ok(())
    }
}

/// All of them together.
///
/// # Errors
/// If a sum grows beyond 38 digits.
pub fn sum_of<'c>(
    cells: impl IntoIterator<Item = &'c AggregateCell>,
) -> Result<AggregateCell, Overflow> {
    let mut all = AggregateCell::default();
    for cell in cells {
        all.add(cell)?;
    }
    Ok(all)
}

fn add_cells<K: Ord + Clone>(
    mine: &mut BTreeMap<K, AggregateCell>,
    theirs: &BTreeMap<K, AggregateCell>,
) -> Result<(), Overflow> {
    for (key, cell) in theirs {
        mine.entry(key.clone()).or_default().add(cell)?;
    }
    Ok(())
}

/// Counts at the same place added up; the longer list decides the length.
pub(super) fn add_counts(mine: &mut Vec<u64>, theirs: &[u64]) {
    if mine.len() < theirs.len() {
        mine.resize(theirs.len(), 0);
    }
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

/// The span that holds both.
fn span(
    mine: Option<(Timestamp, Timestamp)>,
    other: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    match (mine, other) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, None) | (None, one) => one,
    }
}

impl ExperimentAggregates {
    /// The declared metrics, or those of every event type of which something counted.
    pub fn metrics(&self, experiment: &Experiment) -> Vec<Metric> {
        if !experiment.analysis.metrics.is_empty() {
            return experiment.analysis.metrics.clone();
        }
        let event_accounting = self.event_accounting_by_type();
        let seen = event_accounting
            .iter()
            .filter(|(_, event_counts)| event_counts.counted > 0);
        seen.flat_map(|(seen, _)| Metric::of_seen_type(seen))
            .collect()
    }

    /// A aggregates of nobody, with a place for each variant.
    pub fn empty(variants: usize) -> Self {
        Self {
            variants: vec![VariantAggregates::default(); variants],
            ..Self::default()
        }
    }

    /// Where the events of each type went, all days together.
    pub fn event_accounting_by_type(&self) -> BTreeMap<EventType, EventCounts> {
        let mut all = BTreeMap::<EventType, EventCounts>::new();
        for (event_type, event_counts) in self.event_accounting.values().flatten() {
            all.entry(event_type.clone()).or_default().add(event_counts);
        }
        all
    }

    /// The aggregates of the users of both.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn merge(mut self, other: Self) -> Result<Self, Overflow> {
        if self.variants.len() < other.variants.len() {
            self.variants
                .resize_with(other.variants.len(), VariantAggregates::default);
        }
        for (mine, theirs) in self.variants.iter_mut().zip(other.variants) {
            mine.merge(theirs)?;
        }
        for (day, types) in other.event_accounting {
            let mine = self.event_accounting.entry(day).or_default();
            for (event_type, event_counts) in types {
                mine.entry(event_type).or_default().add(&event_counts);
            }
        }
        for (hour, traffic) in other.hours {
            let mine = self.hours.entry(hour).or_default();
            add_counts(&mut mine.assigned, &traffic.assigned);
            for (event_type, counts) in traffic.events {
                add_counts(mine.events.entry(event_type).or_default(), &counts);
            }
        }
        self.data_range = self.data_range.join(other.data_range);
        Ok(self)
    }
}
