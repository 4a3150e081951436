//! Converts the rows of a file to assignments and events, and decides which of them are sent.

use super::cells::{self, AssignmentRow, CellFormats, EventRow};
use super::columns::Columns;
use super::survey::{SameInstant, Survey, UserRows};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What to do with the rows of a user who has several, and with events at the instant of the assignment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowRules {
    pub(super) same_instant: Option<SameInstant>,
    pub(super) exclude_multiple_variants: bool,
}

/// Result of the conversion of a row.
#[derive(Debug, Default)]
pub(super) struct RowOutcome<'r> {
    pub(super) assignment: Option<AssignmentRow<'r>>,
    pub(super) events: Vec<EventRow<'r>>,
    /// Errors in the row. The other parts of the row are still imported.
    pub(super) errors: Vec<String>,
    /// Parts of the row that are not sent, although they are valid.
    pub(super) left_out: LeftOut,
}

/// Numbers of valid parts that are changed or not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Assignments of a user with an earlier one in the file.
    pub(super) later_assignments: u64,
    /// Assignments of users with several variants.
    pub(super) multiple_variants: u64,
    /// Events at the instant of the assignment that are not sent.
    pub(super) same_instant: u64,
    /// Events at the instant of the assignment that are sent with a later time.
    pub(super) moved: u64,
}

/// Converts the rows of one file.
pub(super) struct Rows<'s> {
    columns: &'s Columns,
    formats: CellFormats,
    rules: RowRules,
    /// The assignments of the whole file, unless the file can be read only once.
    survey: Option<&'s Survey>,
    /// Number of occurrences of each event, by a hash of its content.
    seen: HashMap<u64, u32>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(
        columns: &'s Columns,
        formats: CellFormats,
        rules: RowRules,
        survey: Option<&'s Survey>,
    ) -> Self {
        Self {
            columns,
            formats,
            rules,
            survey,
            seen: HashMap::new(),
        }
    }

    /// Converts the row that starts in this line.
    pub(super) fn read<'r>(&mut self, row: &'r csv::StringRecord, line: u64) -> RowOutcome<'r>
    where
        's: 'r,
    {
        let user_id = self.columns.user_id(row);
        let mut outcome = RowOutcome::default();
        if user_id.is_empty() {
            outcome.errors.push("the user's id is empty".to_owned());
            return outcome;
        }
        let user = self.survey.and_then(|survey| survey.user(user_id));
        let excluded = self.rules.exclude_multiple_variants
            && user.is_some_and(|user| user.has_several_variants());
        let columns = self.columns;
        if let Some(columns) = &columns.assignment {
            match cells::assignment(columns, user_id, row, self.formats.time) {
                Ok(Some(_)) if excluded => outcome.left_out.multiple_variants += 1,
                Ok(Some(_)) if user.is_some_and(|user| !user.is_first(line)) => {
                    outcome.left_out.later_assignments += 1;
                }
                Ok(assignment) => outcome.assignment = assignment,
                Err(error) => outcome.errors.push(error),
            }
        }
        let assigned = user.filter(|_| !excluded);
        for columns in &columns.events {
            match cells::event(columns, user_id, row, self.formats) {
                Ok(Some(event)) => self.add(event, assigned, &mut outcome),
                Ok(None) => {}
                Err(error) => outcome.errors.push(error),
            }
        }
        outcome
    }

    /// Adds an event to the outcome, unless it is at the instant of the assignment and the rules do not say what to do.
    fn add<'r>(
        &mut self,
        mut event: EventRow<'r>,
        user: Option<&UserRows>,
        outcome: &mut RowOutcome<'r>,
    ) {
        if user.is_some_and(|user| user.assigned_at() == event.timestamp) {
            match self.rules.same_instant {
                Some(SameInstant::Before) => {}
                Some(SameInstant::Counts) => {
                    event.timestamp = event.timestamp.plus_micros(1);
                    outcome.left_out.moved += 1;
                }
                None => {
                    outcome.left_out.same_instant += 1;
                    return;
                }
            }
        }
        if event.event_id.is_none() {
            event.event_id = id_of_repeat(&event, &mut self.seen);
        }
        outcome.events.push(event);
    }
}

/// Returns an id for an event if an earlier row of the file has the same content. The first occurrence gets no id.
///
/// The API identifies events without an id by their content, so a repeated import stores no event twice. But two equal rows
/// of one file are two events, so the second row needs an id. The id is a hash of the content and the number of the
/// occurrence. It does not depend on the order of other rows or on other columns.
fn id_of_repeat(event: &EventRow<'_>, seen: &mut HashMap<u64, u32>) -> Option<String> {
    let value = event.value.as_ref().map(|value| value.get());
    let properties = serde_json::to_string(&event.properties).unwrap_or_default();
    let time = event.timestamp.micros();
    let content = (event.user_id, event.r#type, time, value, &properties);
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let occurrence = seen.entry(hasher.finish()).or_insert(0);
    *occurrence += 1;
    if *occurrence == 1 {
        return None;
    }
    let mut digest = Sha256::new();
    let parts = [
        event.user_id,
        event.r#type,
        value.unwrap_or_default(),
        &properties,
    ];
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.update(time.to_be_bytes());
    let digest = data_encoding::HEXLOWER.encode(&digest.finalize()[..16]);
    Some(format!("row-{digest}-{occurrence}"))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::ImportMapping;
    use super::*;

    const HEADER: [&str; 4] = ["user", "group", "amount", "won"];

    fn columns(events: &[&str]) -> Columns {
        let mapping = ImportMapping {
            user: "user".to_owned(),
            variant: Some("group".to_owned()),
            assigned_at: Some("2026-01-01".to_owned()),
            assignments_when: Vec::new(),
            dimensions: Vec::new(),
            events: events.iter().map(|text| text.parse().unwrap()).collect(),
            event_at: Some("2026-01-02".to_owned()),
        };
        let header = csv::StringRecord::from(HEADER.to_vec());
        Columns::resolve(&mapping, &header, b',').unwrap()
    }

    /// The events of rows with these cells, in order, with the default rules.
    fn sent(events: &[&str], rows: &[[&str; 4]]) -> Vec<serde_json::Value> {
        let columns = columns(events);
        let mut reader = Rows::new(&columns, CellFormats::default(), RowRules::default(), None);
        let mut sent = Vec::new();
        for (line, cells) in rows.iter().enumerate() {
            let row = csv::StringRecord::from(cells.to_vec());
            let outcome = reader.read(&row, line as u64 + 2);
            assert_eq!(outcome.errors, Vec::<String>::new());
            let events = outcome.events.iter();
            sent.extend(events.map(|event| serde_json::to_value(event).unwrap()));
        }
        sent
    }

    #[test]
    fn a_row_with_an_empty_value_is_no_event_but_a_zero_is_a_value() {
        let paid = |amount| sent(&["paid,value=amount"], &[["u", "a", amount, ""]]);
        assert!(paid("").is_empty());
        assert_eq!(paid("0")[0]["value"], 0);
        let without_zeros = ["paid,value=amount,when=amount!=0"];
        assert!(sent(&without_zeros, &[["u", "a", "0", ""]]).is_empty());
    }

    #[test]
    fn equal_rows_are_different_events_with_stable_ids() {
        let ids = || {
            let events = sent(&["paid,value=amount"], &[["u", "a", "1.50", ""]; 3]);
            events.into_iter().map(|mut event| event["event_id"].take())
        };
        let first: Vec<_> = ids().collect();
        assert!(first[0].is_null());
        assert_ne!(first[1], first[2]);
        assert_eq!(first, ids().collect::<Vec<_>>());
    }

    #[test]
    fn an_invalid_cell_affects_only_its_event() {
        let columns = columns(&["paid,value=amount", "won,when=won=TRUE"]);
        let mut rows = Rows::new(&columns, CellFormats::default(), RowRules::default(), None);
        let row = csv::StringRecord::from(vec!["u", "a", "much", "TRUE"]);
        let outcome = rows.read(&row, 2);
        assert!(outcome.assignment.is_some());
        assert_eq!(outcome.events.len(), 1);
        assert!(outcome.errors[0].contains("`much`"), "{:?}", outcome.errors);
    }
}
