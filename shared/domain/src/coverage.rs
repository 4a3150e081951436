//! Which source a report is read from, and when the aggregates cannot answer a request.

use crate::aggregate_items::AggregateSpec;
use crate::aggregates::{Day, day_of, start_of};
use crate::experiment::Experiment;
use crate::filter::RecordFilter;
use crate::reason::StatedReason;

/// What the numbers were added up from. Both give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataSource {
    /// Running sums: costs the same over ten events and ten million.
    Aggregates,
    /// The records themselves.
    #[default]
    Raw,
}

impl DataSource {
    /// All sources with their names in the API.
    pub const ALL: [(&'static str, Self); 2] =
        [("aggregates", Self::Aggregates), ("raw", Self::Raw)];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aggregates => "aggregates",
            Self::Raw => "raw",
        }
    }
}

/// Where the numbers come from, and why from there.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// What they were added up from.
    pub source: DataSource,
    /// Why not from running sums, where nobody asked for the records.
    pub because: Option<StatedReason>,
    /// Which running sums: when they were asked for, in microseconds since 1970.
    pub generation: Option<u64>,
    /// Events stored that lie after the last one that is in the sums.
    pub pending_records: Option<u64>,
}

/// Why running sums can't answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageGap {
    /// No complete generation of aggregates exists.
    NoAggregates,
    /// The metrics or dimensions changed, and a backfill computes the new generation.
    BackfillRunning,
    /// The request begins later than the experiment; aggregates always begin with it.
    CustomStart,
    /// The request ends within a UTC day; aggregates are kept by whole days.
    PartialDay,
    /// The request asks for the users of one dimension value only.
    DimensionFilter,
    /// Users have become outlier users since the end of the requested time.
    OutlierUsersChanged,
}

impl CoverageGap {
    /// For programs and user data.
    pub fn reason(self) -> StatedReason {
        let (reason, message) = match self {
            Self::NoAggregates => (
                "no_aggregates",
                "This experiment has no complete aggregates yet; `assay audit --repair` computes them.",
            ),
            Self::BackfillRunning => (
                "backfill_running",
                "The metrics or dimensions changed, and a backfill computes their aggregates.",
            ),
            Self::CustomStart => (
                "custom_start",
                "Aggregates begin with the experiment, and `from` asks for a later start.",
            ),
            Self::PartialDay => (
                "partial_day",
                "Aggregates are kept by whole UTC days, and the request ends within one.",
            ),
            Self::DimensionFilter => (
                "dimension_filter",
                "Aggregates do not hold every statistic for the users of one dimension value.",
            ),
            Self::OutlierUsersChanged => (
                "outlier_users_changed",
                "Some users became outlier users after the end of the requested time.",
            ),
        };
        StatedReason { reason, message }
    }
}

/// Whether running sums of this kind answer the question; if so, the day before which they are looked at.
///
/// # Errors
/// Why they don't.
pub fn days_asked(
    experiment: &Experiment,
    spec: Option<&AggregateSpec>,
    filter: &RecordFilter,
) -> Result<Option<Day>, CoverageGap> {
    let spec = spec.ok_or(CoverageGap::NoAggregates)?;
    if *spec != AggregateSpec::of(experiment) {
        return Err(CoverageGap::BackfillRunning);
    }
    if filter.window.from.is_some() {
        return Err(CoverageGap::CustomStart);
    }
    if filter.only.is_some() {
        return Err(CoverageGap::DimensionFilter);
    }
    let Some(to) = filter.window.to else {
        return Ok(None);
    };
    let day = day_of(to);
    if start_of(day) == to {
        Ok(Some(day))
    } else {
        Err(CoverageGap::PartialDay)
    }
}
