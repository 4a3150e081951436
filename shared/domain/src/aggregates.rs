//! The aggregates of an experiment: sums over the users of each variant, from which a report is computed.
//!
//! The sum of the aggregates of different users is the aggregates of all these users, exactly, in any order.

use super::experiment::Experiment;
use super::ids::{EventType, MetricKey};
use super::metric::Metric;
use super::sums::{MetricSums, Overflow};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A UTC day, counted from 1970-01-01.
pub type Day = i64;
/// A UTC hour, counted from 1970-01-01T00:00.
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

/// Event types whose metrics are shown in a report of an experiment without declared metrics.
pub const MAX_TYPES_SHOWN: usize = 20;

/// A group of users of one variant, or a change in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AggregateCell {
    /// The number of users.
    pub users: u64,
    /// Their sums by metric; metrics with only zeros are absent.
    pub metrics: BTreeMap<MetricKey, MetricSums>,
}

/// A value of a dimension, such as `country` and `DE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DimensionValue {
    /// The dimension.
    pub by: String,
    /// The value.
    pub value: String,
}

/// The aggregates of one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantAggregates {
    /// Outlier users, which are left out of all sums.
    pub outlier_users: u64,
    /// Users that the definition excludes, which are left out of all sums.
    pub excluded_users: u64,
    /// The change on each day.
    pub days: Days,
    /// Users by the day of their assignment, with their sums over the first [`super::contribution::COHORT_HOURS`]
    /// hours: the part on that day (0) and on the next day (1).
    pub cohorts: BTreeMap<(Day, u8), AggregateCell>,
    /// The same as `days`, for the users with each dimension value.
    pub dimensions: BTreeMap<DimensionValue, Days>,
}

/// The change on each day, by the phase of the users' assignment (see [`super::allocation::Phase`]): users by the day
/// of their assignment, sums by the day of the event. The sum of all days up to a day is the state at its end.
pub type Days = BTreeMap<(Day, usize), AggregateCell>;

/// Numbers of stored events of one type, by disposition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Counted events.
    pub counted: u64,
    /// Events that were stored for the experiment and that its end excludes.
    pub excluded_by_end: u64,
    /// Events outside the requested time range. Results do not read these events, so they do not report them.
    #[serde(skip)]
    pub outside_window: u64,
    /// Events of users without the requested dimension value, and of users that were not assigned before the event.
    pub other_users: u64,
    /// Events of users that the definition excludes.
    #[serde(skip_serializing_if = "is_zero")]
    pub excluded_users: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl EventCounts {
    /// The number of events with any disposition.
    pub(super) fn total(&self) -> u64 {
        self.counted
            + self.excluded_by_end
            + self.outside_window
            + self.other_users
            + self.excluded_users
    }

    /// Adds other numbers.
    pub(super) fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.excluded_by_end += other.excluded_by_end;
        self.outside_window += other.outside_window;
        self.other_users += other.other_users;
        self.excluded_users += other.excluded_users;
    }
}

/// Traffic of one hour, by variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HourTraffic {
    /// Assigned users.
    pub assigned: Vec<u64>,
    /// Counted events, by type.
    pub events: BTreeMap<EventType, Vec<u64>>,
}

/// The aggregates of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExperimentAggregates {
    /// The variants, in the order of the definition.
    pub variants: Vec<VariantAggregates>,
    /// Event accounting by day and type. Events of outlier users are not in it.
    pub event_accounting: BTreeMap<Day, BTreeMap<EventType, EventCounts>>,
    /// Traffic by hour.
    pub hours: BTreeMap<Hour, HourTraffic>,
    /// The number of stored records in the aggregates: assignments and events, also those that results leave out.
    pub records: u64,
    /// The time range of the records. It is not a sum and cannot be subtracted.
    pub data_range: DataRange,
}

/// The time range of the records that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRange {
    /// The first and the last assignment.
    pub assigned: Option<(Timestamp, Timestamp)>,
    /// The first and the last event.
    pub counted: Option<(Timestamp, Timestamp)>,
    /// When the latest event was received.
    pub received_last: Option<Timestamp>,
}

impl DataRange {
    /// Extends the range by an assignment.
    pub fn assignment(&mut self, at: Timestamp) {
        self.assigned = span(self.assigned, Some((at, at)));
    }

    /// Extends the range by an event.
    pub fn event(&mut self, counted_at: Timestamp, received_at: Option<Timestamp>) {
        self.counted = span(self.counted, Some((counted_at, counted_at)));
        self.received_last = self.received_last.max(received_at);
    }

    /// The range that contains both.
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
    /// Adds other users, or a later change.
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
    /// Users of the variant without outlier users.
    pub fn users(&self) -> u64 {
        self.days.values().map(|cell| cell.users).sum()
    }

    /// Users assigned in a phase, without outlier users.
    pub fn users_in_phase(&self, phase: usize) -> u64 {
        let cells = self.days.iter().filter(|((_, of), _)| *of == phase);
        cells.map(|(_, cell)| cell.users).sum()
    }

    /// The changes of one day, one for each phase.
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
        self.excluded_users += other.excluded_users;
        add_cells(&mut self.days, &other.days)?;
        add_cells(&mut self.cohorts, &other.cohorts)?;
        for (dimension, days) in other.dimensions {
            add_cells(self.dimensions.entry(dimension).or_default(), &days)?;
        }
        Ok(())
    }
}

/// The sum of these changes.
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

/// Adds counts by index. The longer list decides the length.
pub(super) fn add_counts(mine: &mut Vec<u64>, theirs: &[u64]) {
    if mine.len() < theirs.len() {
        mine.resize(theirs.len(), 0);
    }
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

/// The range that contains both.
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
    /// The declared metrics, or those of every event type with counted events and aggregates of its own, by name.
    pub fn metrics(&self, experiment: &Experiment) -> Vec<Metric> {
        if !experiment.analysis.metrics.is_empty() {
            return experiment.analysis.metrics.clone();
        }
        let event_accounting = self.event_accounting_by_type();
        let seen = event_accounting
            .iter()
            .filter(|(seen, counts)| counts.counted > 0 && seen.as_str() != EventType::OTHERS);
        seen.flat_map(|(seen, _)| Metric::of_seen_type(seen))
            .collect()
    }

    /// The metrics of an experiment that a report shows without being asked for single ones, and how many event types
    /// it leaves out: without declared metrics it shows those of the [`MAX_TYPES_SHOWN`] types with the most counted
    /// events.
    pub fn metrics_shown(&self, experiment: &Experiment) -> (Vec<Metric>, usize) {
        let metrics = self.metrics(experiment);
        let event_accounting = self.event_accounting_by_type();
        let counted = |event_type: &EventType| {
            let counts = event_accounting.get(event_type);
            counts.map_or(0, |counts| counts.counted)
        };
        let mut types: Vec<&EventType> = metrics.iter().map(|metric| &metric.event_type).collect();
        types.dedup();
        types.sort_by_key(|event_type| std::cmp::Reverse(counted(event_type)));
        let left_out = types.len().saturating_sub(MAX_TYPES_SHOWN);
        if !experiment.analysis.metrics.is_empty() || left_out == 0 {
            return (metrics, 0);
        }
        types.truncate(MAX_TYPES_SHOWN);
        let is_shown = |metric: &&Metric| types.contains(&&metric.event_type);
        (metrics.iter().filter(is_shown).cloned().collect(), left_out)
    }

    /// Empty aggregates with this number of variants.
    pub fn empty(variants: usize) -> Self {
        Self {
            variants: vec![VariantAggregates::default(); variants],
            ..Self::default()
        }
    }

    /// Event accounting by type, over all days.
    pub fn event_accounting_by_type(&self) -> BTreeMap<EventType, EventCounts> {
        let mut all = BTreeMap::<EventType, EventCounts>::new();
        for (event_type, event_counts) in self.event_accounting.values().flatten() {
            all.entry(event_type.clone()).or_default().add(event_counts);
        }
        all
    }

    /// Adds the aggregates of other users.
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
        self.records += other.records;
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
