//! Which records a result is computed from.

use super::aggregates::DimensionValue;
use super::time::Timestamp;

/// A range of time: events in `[from, to)`, and users assigned before `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeWindow {
    /// Earlier events are left out.
    pub from: Option<Timestamp>,
    /// Events and assignments at this instant or later are left out.
    pub to: Option<Timestamp>,
}

impl TimeWindow {
    /// Whether an event at this instant is left out.
    pub fn excludes(self, counted_at: Timestamp) -> bool {
        self.from.is_some_and(|from| counted_at < from)
            || self.to.is_some_and(|to| counted_at >= to)
    }
}

/// Which records a result is computed from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// The range of time.
    pub window: TimeWindow,
    /// Only users with this value of a dimension.
    pub only: Option<DimensionValue>,
    /// Whether the users' pre-exposure events go into the aggregates as covariates.
    pub pre_exposure: bool,
}
