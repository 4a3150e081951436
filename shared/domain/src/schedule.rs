//! When an experiment runs.

use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The start and the end of an experiment, as planned and as they happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// No user is assigned earlier.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub starts_at: Option<Timestamp>,
    /// From then on no user is assigned and no event is counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// When it was stopped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stopped_at: Option<Timestamp>,
    /// `ends_at` at the first start. It never changes: a test at a planned end is valid only if the end cannot be moved
    /// after reading results.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planned_end: Option<Timestamp>,
}

impl Schedule {
    /// A schedule before the start.
    pub fn new(starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> Self {
        Self {
            starts_at,
            ends_at,
            ..Self::default()
        }
    }

    /// The instant from which on no event is counted: the planned end or the stop, whichever is earlier.
    pub fn end(&self) -> Option<Timestamp> {
        [self.ends_at, self.stopped_at].into_iter().flatten().min()
    }

    /// Notes the first start, and the end that is planned at that time.
    pub(crate) fn start(&mut self, now: Timestamp) {
        if self.started_at.is_none() {
            self.started_at = Some(now);
            self.planned_end = self.ends_at;
        }
    }

    /// Notes the stop.
    pub(crate) fn stop(&mut self, now: Timestamp) {
        self.stopped_at = self.stopped_at.or(Some(now));
    }
}
