//! Counts the outcomes of the rows.

use super::queues::{Batch, BatchKind};
use super::rejections::{Rejection, Rejections, RowParts, SentRow};
use super::rows::LeftOut;
use crate::client::InputError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The response to a batch of assignments.
#[derive(Debug, Deserialize)]
pub(super) struct AssignmentsResponse {
    assignments: Vec<AssignmentOutcome>,
}

#[derive(Debug, Deserialize)]
struct AssignmentOutcome {
    index: usize,
    status: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    events_counted: u64,
    #[serde(default)]
    errors: Vec<InputError>,
}

/// The response to a batch of events.
#[derive(Debug, Deserialize)]
pub(super) struct EventsResponse {
    events: Vec<EventOutcome>,
}

#[derive(Debug, Deserialize)]
struct EventOutcome {
    index: usize,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    counts_for: Vec<CountsFor>,
    #[serde(default)]
    errors: Vec<InputError>,
}

#[derive(Debug, Deserialize)]
struct CountsFor {
    experiment_id: String,
}

/// Counts of assignments by outcome.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssignmentImportCounts {
    /// Stored by this import.
    pub stored: u64,
    /// The user was already assigned.
    pub existing: u64,
    /// The user was already assigned to another variant than in the file. The first assignment is kept. `existing` includes
    /// these assignments.
    pub existing_in_another_variant: u64,
    /// Rejected by the API.
    pub rejected: u64,
    /// Not sent, because the file has an earlier row of the user.
    pub later_rows: u64,
    /// Users whose rows have more than one variant.
    pub users_with_multiple_variants: u64,
    /// Rows of these users that were not sent, because they are excluded.
    pub excluded_rows: u64,
}

/// Counts of events by outcome.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventImportCounts {
    /// Stored by this import.
    pub stored: u64,
    /// Already stored.
    pub duplicates: u64,
    /// Rejected by the API.
    pub rejected: u64,
    /// Stored by this import or before, and counted for an experiment.
    pub counted: u64,
    /// Stored by this import or before, but not counted for any experiment, by reason.
    pub not_counted: BTreeMap<String, u64>,
    /// Events that were stored before the assignment of their user and count since that assignment was stored.
    pub counted_with_their_assignment: u64,
    /// Not sent, because they have the very time of their user's assignment, and the caller has not said which was first.
    pub same_instant: u64,
    /// Sent with a time of one microsecond after the assignment.
    pub moved: u64,
}

/// Counts of all outcomes of an import.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImportCounts {
    /// Rows read from the file.
    pub rows: u64,
    /// Rows with a part that could not be converted. That part was not sent.
    pub unreadable: u64,
    /// Counts of assignments.
    pub assignments: AssignmentImportCounts,
    /// Counts of events.
    pub events: EventImportCounts,
    /// The first rows that were not imported, or not completely.
    pub rejections: Vec<Rejection>,
    #[serde(skip)]
    pub(super) rejected_parts: Rejections,
    /// Experiments that the events count for.
    #[serde(skip)]
    pub(super) experiments: BTreeSet<String>,
}

impl ImportCounts {
    /// Counts a row with a part that could not be converted. The other parts of the row are sent.
    pub(super) fn unreadable(&mut self, row: SentRow, reasons: &[String]) {
        self.unreadable += 1;
        let rejected = RowParts::default();
        self.rejected_parts.add(row, rejected, reasons.join("; "));
    }

    /// Counts the valid parts of a row that are not sent.
    pub(super) fn left_out(&mut self, left_out: LeftOut) {
        self.assignments.later_rows += left_out.later_assignments;
        self.assignments.excluded_rows += left_out.multiple_variants;
        self.events.same_instant += left_out.same_instant;
        self.events.moved += left_out.moved;
    }

    /// Counts the outcomes in the response to a batch of assignments.
    pub(super) fn assignments(&mut self, batch: &Batch, response: AssignmentsResponse) {
        for outcome in response.assignments {
            self.events.counted_with_their_assignment += outcome.events_counted;
            match outcome.status.as_str() {
                "stored" => self.assignments.stored += 1,
                "existing" => {
                    self.assignments.existing += 1;
                    if outcome.variant.as_ref() != batch.variants.get(outcome.index) {
                        self.assignments.existing_in_another_variant += 1;
                    }
                }
                _ => {
                    self.assignments.rejected += 1;
                    self.reject_outcome(batch, outcome.index, &outcome.errors);
                }
            }
        }
    }

    /// Counts the outcomes in the response to a batch of events.
    pub(super) fn events(&mut self, batch: &Batch, response: EventsResponse) {
        for outcome in response.events {
            match outcome.status.as_str() {
                "stored" => self.events.stored += 1,
                "duplicate" => self.events.duplicates += 1,
                _ => {
                    self.events.rejected += 1;
                    self.reject_outcome(batch, outcome.index, &outcome.errors);
                    continue;
                }
            }
            let counts_for = outcome.counts_for.into_iter();
            self.experiments
                .extend(counts_for.map(|one| one.experiment_id));
            match outcome.reason {
                None => self.events.counted += 1,
                Some(reason) => *self.events.not_counted.entry(reason).or_default() += 1,
            }
        }
    }

    fn reject_outcome(&mut self, batch: &Batch, index: usize, errors: &[InputError]) {
        let Some(row) = batch.rows.get(index) else {
            return;
        };
        let mut rejected = RowParts::default();
        let what = match batch.kind {
            BatchKind::Assignments => {
                rejected.assignments = 1;
                "assignment"
            }
            BatchKind::Events => {
                rejected.events = 1;
                "event"
            }
        };
        // The pointer refers to the batch, which the user does not see. Its last part is the field.
        let reason = |error: &InputError| {
            let field = error.pointer.rsplit('/').next().unwrap_or_default();
            format!("{field}: {}", error.detail)
        };
        let reasons: Vec<String> = errors.iter().map(reason).collect();
        let reason = format!("{what}: {}", reasons.join("; "));
        self.rejected_parts.add(*row, rejected, reason);
    }

    /// Adds the counts of another sender.
    pub(super) fn merge(&mut self, other: Self) {
        self.experiments.extend(other.experiments);
        self.rows += other.rows;
        self.unreadable += other.unreadable;
        self.assignments.stored += other.assignments.stored;
        self.assignments.existing += other.assignments.existing;
        self.assignments.existing_in_another_variant +=
            other.assignments.existing_in_another_variant;
        self.assignments.rejected += other.assignments.rejected;
        self.events.stored += other.events.stored;
        self.events.duplicates += other.events.duplicates;
        self.events.rejected += other.events.rejected;
        self.events.counted += other.events.counted;
        self.events.counted_with_their_assignment += other.events.counted_with_their_assignment;
        for (reason, count) in other.events.not_counted {
            *self.events.not_counted.entry(reason).or_default() += count;
        }
        self.rejected_parts.merge(other.rejected_parts);
    }

    /// Lists the rejections by row, after the counts of all senders were added.
    pub(super) fn finish(&mut self) {
        self.rejections = std::mem::take(&mut self.rejected_parts).by_row();
    }

    /// Number of rows, assignments and events that were not imported.
    pub fn not_imported(&self) -> u64 {
        self.unreadable + self.assignments.rejected + self.events.rejected
    }
}
