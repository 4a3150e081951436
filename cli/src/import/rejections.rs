//! The rows that were not imported, and which of their parts are stored nevertheless.

use crate::output::counted;
use serde::Serialize;

/// Maximum number of rejections that are kept, because every row of a file may be wrong.
const KEPT: usize = 1000;

/// Numbers of assignments and events in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowParts {
    pub(super) assignments: u64,
    pub(super) events: u64,
}

/// A row of the file that an element of a batch comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SentRow {
    pub(super) line: u64,
    /// The parts of the row that are sent.
    pub(super) sent: RowParts,
}

/// A row that was not imported, or not completely.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Rejection {
    /// Line of the row in the file.
    pub line: u64,
    /// Reasons.
    pub reason: String,
    /// The parts of the row that are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)?;
        match &self.stored {
            Some(stored) => write!(f, " Stored of this row: {stored}."),
            None => Ok(()),
        }
    }
}

/// A part of a row that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RejectedPart {
    row: SentRow,
    /// The parts that the API rejected; none if they were not sent.
    rejected: RowParts,
    reason: String,
}

/// The first rejections of a sender, or of all senders.
#[derive(Debug, Clone, Default)]
pub(super) struct Rejections(Vec<RejectedPart>);

impl Rejections {
    /// Adds parts of a row that were not sent, or that the API rejected.
    pub(super) fn add(&mut self, row: SentRow, rejected: RowParts, reason: String) {
        if self.0.len() < KEPT {
            self.0.push(RejectedPart {
                row,
                rejected,
                reason,
            });
        }
    }

    /// Adds the rejections of another sender.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// One rejection for each row, in the order of the file.
    pub(super) fn by_row(mut self) -> Vec<Rejection> {
        self.0.sort();
        let rows = self.0.chunk_by(|a, b| a.row.line == b.row.line);
        let rejection = |parts: &[RejectedPart]| {
            let first = parts.first()?;
            let rejected = |number: fn(&RowParts) -> u64| {
                parts.iter().map(|part| number(&part.rejected)).sum::<u64>()
            };
            let sent = first.row.sent;
            let stored = RowParts {
                assignments: sent.assignments.saturating_sub(rejected(|p| p.assignments)),
                events: sent.events.saturating_sub(rejected(|p| p.events)),
            };
            let reasons = parts.iter().map(|part| sentence(&part.reason));
            Some(Rejection {
                line: first.row.line,
                reason: reasons.collect::<Vec<_>>().join(" "),
                stored: stored.described(),
            })
        };
        rows.filter_map(rejection).collect()
    }
}

impl RowParts {
    /// The parts in words, or `None` if there are none.
    fn described(self) -> Option<String> {
        let assignment = (self.assignments > 0).then(|| "the assignment".to_owned());
        let events = (self.events > 0).then(|| counted(self.events, "event"));
        match (assignment, events) {
            (Some(assignment), Some(events)) => Some(format!("{assignment} and {events}")),
            (assignment, events) => assignment.or(events),
        }
    }
}

/// A reason with a full stop.
fn sentence(reason: &str) -> String {
    let stop = if reason.ends_with('.') { "" } else { "." };
    format!("{reason}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, assignments: u64, events: u64) -> SentRow {
        let sent = RowParts {
            assignments,
            events,
        };
        SentRow { line, sent }
    }

    fn parts(assignments: u64, events: u64) -> RowParts {
        row(0, assignments, events).sent
    }

    #[test]
    fn the_parts_of_a_row_are_listed_together_with_what_is_stored() {
        let mut first = Rejections::default();
        first.add(
            row(9, 0, 0),
            parts(0, 0),
            "2 cells, but the header has 4".to_owned(),
        );
        first.add(
            row(3, 1, 2),
            parts(1, 0),
            "assignment: no variant.".to_owned(),
        );
        let mut second = Rejections::default();
        second.add(row(3, 1, 2), parts(0, 1), "event: too late".to_owned());
        second.add(row(2, 1, 2), parts(0, 0), "`much` is no value".to_owned());
        second.add(row(5, 1, 1), parts(1, 0), "assignment: erased".to_owned());
        second.add(row(5, 1, 1), parts(0, 1), "event: erased".to_owned());
        first.merge(second);
        let shown: Vec<String> = first.by_row().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "line 2: `much` is no value. Stored of this row: the assignment and 2 events.",
                "line 3: event: too late. assignment: no variant. Stored of this row: 1 event.",
                "line 5: event: erased. assignment: erased.",
                "line 9: 2 cells, but the header has 4.",
            ]
        );
    }
}
