//! What became of the rows.

use super::queues::{Batch, Kind};
use crate::client::Fault;
use crate::output::{counted, grouped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer to a batch of assignments.
#[derive(Debug, Deserialize)]
pub(super) struct AssignmentsAnswer {
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
    errors: Vec<Fault>,
}

/// The answer to a batch of events.
#[derive(Debug, Deserialize)]
pub(super) struct EventsAnswer {
    events: Vec<EventOutcome>,
}

#[derive(Debug, Deserialize)]
struct EventOutcome {
    index: usize,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    errors: Vec<Fault>,
}

/// A row that was not taken, and why.
#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// Its line in the file.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// How the rows of one kind fared.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Assignments {
    /// Assigned by this import.
    pub stored: u64,
    /// Assigned before.
    pub existing: u64,
    /// Of those: to another variant than the file says. The first assignment stays.
    pub existing_in_another_variant: u64,
    /// Not taken.
    pub rejected: u64,
}

/// How the events fared.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Events {
    /// Recorded by this import.
    pub stored: u64,
    /// Recorded before.
    pub duplicates: u64,
    /// Not taken.
    pub rejected: u64,
    /// Recorded, now or before, and counted for an experiment.
    pub counted: u64,
    /// Recorded, now or before, without counting for any experiment, by reason.
    pub not_counted: BTreeMap<String, u64>,
    /// Events that were there before their user's assignment, and that count since it came.
    pub counted_with_their_assignment: u64,
}

/// What became of everything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImportCounts {
    /// Rows read from the file.
    pub rows: u64,
    /// Rows that could not be read as the mapping says; nothing was sent for the part that is wrong.
    pub unreadable: u64,
    /// Assignments sent.
    pub assignments: Assignments,
    /// Events sent.
    pub events: Events,
    /// The first rows that were not taken.
    pub rejections: Vec<Rejection>,
}

/// Rejections kept by each sender. Only so many are ever listed, and a file may be wrong from top to bottom.
const KEPT: usize = 1000;

impl ImportCounts {
    /// Notes a row that could not be read.
    pub(super) fn unreadable(&mut self, line: u64, reasons: &[String]) {
        self.unreadable += 1;
        self.reject(line, reasons.join("; "));
    }

    /// Notes the answer to a batch of assignments.
    pub(super) fn assignments(&mut self, batch: &Batch, answer: AssignmentsAnswer) {
        for outcome in answer.assignments {
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

    /// Notes the answer to a batch of events.
    pub(super) fn events(&mut self, batch: &Batch, answer: EventsAnswer) {
        for outcome in answer.events {
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

    fn reject_outcome(&mut self, batch: &Batch, index: usize, errors: &[Fault]) {
        let line = batch.lines.get(index).copied().unwrap_or_default();
        let what = match batch.kind {
            Kind::Assignments => "assignment",
            Kind::Events => "event",
        };
        // A pointer leads into the batch, which nobody sees; its last part is the field.
        let reason = |fault: &Fault| {
            let field = fault.pointer.rsplit('/').next().unwrap_or_default();
            format!("{field}: {}", fault.detail)
        };
        let reasons: Vec<String> = errors.iter().map(reason).collect();
        self.reject(line, format!("{what}: {}", reasons.join("; ")));
    }

    fn reject(&mut self, line: u64, reason: String) {
        if self.rejections.len() < KEPT {
            self.rejections.push(Rejection { line, reason });
        }
    }

    /// Adds what another sender has noted.
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

    /// Rows, assignments and events that were not taken.
    pub fn not_taken(&self) -> u64 {
        self.unreadable + self.assignments.rejected + self.events.rejected
    }

    /// The summary for user data, listing at most so many rejections.
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
                line +=
                    &format!(" ({other} in another variant than the file says, where they stay)");
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
                "             {} count, {} do not",
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
                "             {earlier} counted when the assignment came"
            ));
        }
        if self.unreadable > 0 {
            lines.push(format!("unreadable   {}", counted(self.unreadable, "row")));
        }
        for rejection in self.rejections.iter().take(listed) {
            lines.push(format!("  line {}: {}", rejection.line, rejection.reason));
        }
        let further = self.not_taken().saturating_sub(listed as u64);
        if further > 0 && listed > 0 {
            lines.push(format!("  and {} more", grouped(further)));
        }
        lines.join("\n")
    }
}
