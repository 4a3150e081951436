//! What every view of the results begins with: the experiment, how recent the data is, and the users of each variant.

use crate::aggregates::ExperimentAggregates;
use crate::coverage::Provenance;
use crate::experiment::{Experiment, Status};
use crate::ids::{ExperimentId, UnitKind, VariantKey};
use crate::plan::Plan;
use crate::time::Timestamp;
use serde::Serialize;

/// The experiment that a report is about.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Its id.
    pub id: ExperimentId,
    /// Its name.
    pub name: String,
    /// What is assigned and counted, if not users.
    #[serde(skip_serializing_if = "UnitKind::is_user")]
    pub unit: UnitKind,
    /// Its status.
    pub status: Status,
    /// Which version of the definition was used.
    pub version: u64,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Its end: later events are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The effect that it was planned to detect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// How recent the data is.
#[derive(Debug, Clone, Serialize)]
pub struct Freshness {
    /// When the first user was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_assignment_at: Option<Timestamp>,
    /// When the last user was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_assignment_at: Option<Timestamp>,
    /// When the last counted event happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Timestamp>,
    /// When the last event was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_received_at: Option<Timestamp>,
    /// Seconds from then to `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_since_last_event: Option<i64>,
    /// Stored assignments and events, without those of quarantined users that cannot be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_records: Option<u64>,
    /// Those that are not in the aggregates yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_records: Option<u64>,
    /// The least number of those that have been pending for more than a minute; absent if it is not known of any.
    #[serde(skip_serializing_if = "is_zero")]
    pub overdue_records: u64,
    /// The oldest pending record was stored at this time or earlier: newer records may be counted before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_since: Option<Timestamp>,
    /// Whether there are more stored records than one request counts, so that `pending_records` is the least number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub count_incomplete: bool,
    /// Users that are in no number, because the database refuses what they add; absent if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub quarantined_users: u64,
    /// Generation of the aggregates: when it was requested, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// The users of one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantUsers {
    /// Which variant.
    pub key: VariantKey,
    /// Whether it is the control of the definition.
    pub control: bool,
    /// Its weight in the definition, in percent.
    pub percent: f64,
    /// Assigned users without outlier users.
    pub users: u64,
    /// Users left out because they have implausibly many events.
    pub outlier_users: u64,
    /// Users left out because the definition excludes them; absent if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub excluded_users: u64,
}

impl About {
    pub(super) fn new(experiment: &Experiment) -> Self {
        Self {
            id: experiment.id.clone(),
            name: experiment.name.clone(),
            unit: experiment.allocation.unit.clone(),
            status: experiment.status,
            version: experiment.version,
            started_at: experiment.schedule.started_at,
            end: experiment.end(),
            plan: experiment.analysis.plan.clone(),
        }
    }
}

impl Freshness {
    pub(super) fn new(
        aggregates: &ExperimentAggregates,
        as_of: Timestamp,
        provenance: &Provenance,
    ) -> Self {
        let now = as_of.micros();
        let seconds = |since: Timestamp| (now - since.micros()).max(0) / 1_000_000;
        Self {
            first_assignment_at: aggregates.data_range.assigned.map(|(first, _)| first),
            last_assignment_at: aggregates.data_range.assigned.map(|(_, last)| last),
            last_event_at: aggregates.data_range.counted.map(|(_, last)| last),
            last_event_received_at: aggregates.data_range.received_last,
            seconds_since_last_event: aggregates.data_range.received_last.map(seconds),
            stored_records: provenance.pending.map(|one| one.stored),
            pending_records: provenance.pending.map(|one| one.pending),
            overdue_records: provenance.pending.map_or(0, |one| one.overdue),
            pending_since: provenance.pending.and_then(|one| one.since),
            count_incomplete: provenance.pending.is_some_and(|one| one.count_incomplete),
            quarantined_users: provenance.quarantined_users,
            generation: provenance.generation,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl VariantUsers {
    /// The users of every variant, in the order of the definition.
    pub(super) fn all(experiment: &Experiment, aggregates: &ExperimentAggregates) -> Vec<Self> {
        let variants = experiment.allocation.variants.as_slice().iter().enumerate();
        variants
            .map(|(index, variant)| {
                let aggregates = aggregates.variants.get(index);
                Self {
                    key: variant.key.clone(),
                    control: index == 0,
                    percent: variant.percent,
                    users: aggregates.map_or(0, |aggregates| aggregates.users()),
                    outlier_users: aggregates.map_or(0, |aggregates| aggregates.outlier_users),
                    excluded_users: aggregates.map_or(0, |aggregates| aggregates.excluded_users),
                }
            })
            .collect()
    }
}
