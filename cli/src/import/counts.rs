//! Counts the outcomes of the rows.

use super::queues::{Batch, BatchKind};
use crate::client::InputError;
use crate::output::{counted, grouped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    errors: Vec<InputError>,
}

/// A row that was not imported, and the reason.
#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// Line of the row in the file.
    pub line: u64,
    /// Reason.
    pub reason: String,
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
    /// The first rows that were not imported.
    pub rejections: Vec<Rejection>,
}

/// Maximum number of rejections that each sender keeps, because every row of a file may be wrong.
const KEPT: usize = 1000;

impl ImportCounts {
    /// Counts a row that could not be converted.
    pub(super) fn unreadable(&mut self, line: u64, reasons: &[String]) {
        self.unreadable += 1;
        self.reject(line, reasons.join("; "));
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
            match outcome.reason {
                None => self.events.counted += 1,
                Some(reason) => *self.events.not_counted.entry(reason).or_default() += 1,
            }
        }
    }

    fn reject_outcome(&mut self, batch: &Batch, index: usize, errors: &[InputError]) {
        let line = batch.lines.get(index).copied().unwrap_or_default();
        let what = match batch.kind {
            BatchKind::Assignments => "assignment",
            BatchKind::Events => "event",
        };
        // The pointer refers to the batch, which the user does not see. Its last part is the field.
        let reason = |error: &InputError| {
            let field = error.pointer.rsplit('/').next().unwrap_or_default();
            format!("{field}: {}", error.detail)
        };
        let reasons: Vec<String> = errors.iter().map(reason).collect();
        self.reject(line, format!("{what}: {}", reasons.join("; ")));
    }

    fn reject(&mut self, line: u64, reason: String) {
        if self.rejections.len() < KEPT {
            self.rejections.push(Rejection { line, reason });
        }
    }

    /// Adds the counts of another sender.
    pub(super) fn merge(&mut self, other: Self) {
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
        self.rejections.extend(other.rejections);
        self.rejections.sort();
    }

    /// Number of rows, assignments and events that were not imported.
    pub fn not_imported(&self) -> u64 {
        self.unreadable + self.assignments.rejected + self.events.rejected
    }

    /// A summary in text form with at most `listed` rejections.
    pub(super) fn summary(&self, listed: usize, seconds: f64) -> String {
        let (a, e) = (&self.assignments, &self.events);
        let mut lines = vec![format!(
            "{} read in {seconds:.1} s",
            counted(self.rows, "row")
        )];
        if a.stored + a.existing + a.rejected > 0 {
            let mut line = format!(
                "assignments  {} stored, {} existing",
                grouped(a.stored),
                grouped(a.existing)
            );
            if a.existing_in_another_variant > 0 {
                let other = grouped(a.existing_in_another_variant);
                line += &format!(
                    " ({other} in another variant than in the file; the stored variant is kept)"
                );
            }
            lines.push(format!("{line}, {} rejected", grouped(a.rejected)));
        }
        if e.stored + e.duplicates + e.rejected > 0 {
            lines.push(format!(
                "events       {} stored, {} duplicates, {} rejected",
                grouped(e.stored),
                grouped(e.duplicates),
                grouped(e.rejected)
            ));
            let uncounted: u64 = e.not_counted.values().sum();
            let mut line = format!(
                "             {} counted, {} not counted",
                grouped(e.counted),
                grouped(uncounted)
            );
            if uncounted > 0 {
                let reason = |(reason, count): (&String, &u64)| {
                    format!("{} {}", grouped(*count), reason.replace('_', " "))
                };
                let reasons: Vec<String> = e.not_counted.iter().map(reason).collect();
                line += &format!(": {}", reasons.join(", "));
            }
            lines.push(line);
        }
        if e.counted_with_their_assignment > 0 {
            let earlier = counted(e.counted_with_their_assignment, "earlier event");
            lines.push(format!(
                "             {earlier} counted when the assignment was stored"
            ));
        }
        if self.unreadable > 0 {
            lines.push(format!("unreadable   {}", counted(self.unreadable, "row")));
        }
        for rejection in self.rejections.iter().take(listed) {
            lines.push(format!("  line {}: {}", rejection.line, rejection.reason));
        }
        let further = self.not_imported().saturating_sub(listed as u64);
        if further > 0 && listed > 0 {
            lines.push(format!("  and {} more", grouped(further)));
        }
        lines.join("\n")
    }
}
