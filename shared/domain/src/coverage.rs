//! Which source a report is read from, and when the aggregates cannot answer a request.

use crate::aggregate_items::AggregateSpec;
use crate::aggregates::{Day, day_of, start_of};
use crate::experiment::Experiment;
use crate::filter::RecordFilter;
use crate::reason::StatedReason;
use crate::time::Timestamp;

/// The data source of a report. Both sources give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataSource {
    /// The aggregates. The cost does not depend on the number of events.
    Aggregates,
    /// The raw records.
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

/// The data source of a report, and why it was chosen.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The data source.
    pub source: DataSource,
    /// Why the source is not the aggregates, unless the caller chose the raw records.
    pub because: Option<StatedReason>,
    /// The generation: when it was requested, in microseconds since 1970.
    pub generation: Option<u64>,
    /// Stored records that are not in the aggregates; none if the source is not the aggregates.
    pub pending: Option<PendingRecords>,
    /// Users that cannot be counted in the aggregates.
    pub quarantined_users: u64,
}

/// Stored records, and how many of them are not in the aggregates. A record that is being stored or counted may be pending
/// for the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingRecords {
    /// Stored assignments and events, without those of quarantined users that cannot be counted.
    pub stored: u64,
    /// Those that are not in the aggregates.
    pub pending: u64,
    /// The least number of those that were stored more than [`PENDING_SECONDS`] ago: newer ones may be counted before them.
    pub overdue: u64,
    /// The oldest pending record was stored at this time or earlier. None if nothing is pending, or if the pending records were
    /// counted while they were looked for.
    pub since: Option<Timestamp>,
    /// Whether there are more stored records than one request counts.
    pub count_incomplete: bool,
}

/// Records that are pending for longer are overdue, in seconds.
pub const PENDING_SECONDS: i64 = 60;
/// The largest share of pending records with which results are taken as complete, in percent.
const COMPLETE_WITH_PERCENT: u64 = 1;

impl PendingRecords {
    /// Whether too much is missing in the aggregates for a decision.
    pub fn still_counting(self) -> bool {
        self.count_incomplete
            || self.overdue > 0
            || self.pending.saturating_mul(100) > self.stored.saturating_mul(COMPLETE_WITH_PERCENT)
    }
}

/// Why the aggregates cannot answer a request.
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
    /// The reason with its sentence.
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

/// Whether aggregates with this definition can answer a request. If so, the day at whose beginning they are read; none
/// for the current state.
///
/// # Errors
/// Why they cannot.
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
