//! Converts a row of the file to an assignment, to events, or to an error.

use super::columns::{AssignmentColumns, Columns, EventColumns, EventTypeSource, TimeSource};
use crate::time;
use domain::decimal::Decimal;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An assignment in the form of the API.
#[derive(Debug, Serialize)]
pub(super) struct AssignmentRow<'r> {
    user_id: &'r str,
    pub(super) variant: &'r str,
    assigned_at: Timestamp,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'r str, &'r str>,
}

/// An event in the form of the API.
#[derive(Debug, Serialize)]
pub(super) struct EventRow<'r> {
    user_id: &'r str,
    r#type: &'r str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<&'r str, &'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

/// Result of the conversion of a row.
#[derive(Debug, Default)]
pub(super) struct RowOutcome<'r> {
    pub(super) assignment: Option<AssignmentRow<'r>>,
    pub(super) events: Vec<EventRow<'r>>,
    /// Errors in the row. The other parts of the row are still imported.
    pub(super) errors: Vec<String>,
}

/// Converts the rows of one file.
pub(super) struct Rows {
    columns: Columns,
    /// Number of occurrences of each event, by a hash of its content.
    seen: HashMap<u64, u32>,
}

impl Rows {
    pub(super) fn new(columns: Columns) -> Self {
        Self {
            columns,
            seen: HashMap::new(),
        }
    }

    /// The user id in a row.
    pub(super) fn user<'r>(&self, row: &'r csv::StringRecord) -> &'r str {
        row.get(self.columns.user).unwrap_or_default()
    }

    /// Converts a row.
    pub(super) fn read<'r>(&'r mut self, row: &'r csv::StringRecord) -> RowOutcome<'r> {
        let user_id = self.user(row);
        let mut outcome = RowOutcome::default();
        if user_id.is_empty() {
            outcome.errors.push("the user's id is empty".to_owned());
            return outcome;
        }
        if let Some(columns) = &self.columns.assignment {
            match assignment(columns, user_id, row) {
                Ok(assignment) => outcome.assignment = assignment,
                Err(error) => outcome.errors.push(error),
            }
        }
        for columns in &self.columns.events {
            match event(columns, user_id, row, &mut self.seen) {
                Ok(event) => outcome.events.extend(event),
                Err(error) => outcome.errors.push(error),
            }
        }
        outcome
    }
}

fn assignment<'r>(
    columns: &'r AssignmentColumns,
    user_id: &'r str,
    row: &'r csv::StringRecord,
) -> Result<Option<AssignmentRow<'r>>, String> {
    let variant = row.get(columns.variant).unwrap_or_default();
    if variant.is_empty() || !columns.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let at = instant(&columns.at, row)?;
    Ok(at.map(|assigned_at| AssignmentRow {
        user_id,
        variant,
        assigned_at,
        attributes: filled(&columns.attributes, row),
    }))
}

/// The non-empty cells of these columns, by name.
fn filled<'r>(
    columns: &'r [(String, usize)],
    row: &'r csv::StringRecord,
) -> BTreeMap<&'r str, &'r str> {
    let cell = |(name, column): &'r (String, usize)| {
        let text = row.get(*column).filter(|text| !text.is_empty())?;
        Some((name.as_str(), text))
    };
    columns.iter().filter_map(cell).collect()
}

fn event<'r>(
    columns: &'r EventColumns,
    user_id: &'r str,
    row: &'r csv::StringRecord,
    seen: &mut HashMap<u64, u32>,
) -> Result<Option<EventRow<'r>>, String> {
    if !columns.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let r#type = match &columns.kind {
        EventTypeSource::Fixed(kind) => kind.as_str(),
        EventTypeSource::Column(column) => row.get(*column).unwrap_or_default(),
    };
    let value = match columns
        .value
        .map(|column| row.get(column).unwrap_or_default().trim())
    {
        Some("") => return Ok(None),
        Some(text) => Some(number(text)?),
        None => None,
    };
    let Some(timestamp) = instant(&columns.time, row)? else {
        return Ok(None);
    };
    if r#type.is_empty() {
        return Ok(None);
    }
    let mut event = EventRow {
        user_id,
        r#type,
        timestamp,
        value,
        properties: filled(&columns.properties, row),
        event_id: None,
    };
    let given = columns.id.and_then(|column| row.get(column));
    event.event_id = match given {
        Some("") => return Err("the event's id is empty".to_owned()),
        Some(id) => Some(id.to_owned()),
        None => id_of_repeat(&event, seen),
    };
    Ok(Some(event))
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

/// The time of a row, or `None` if the cell is empty.
fn instant(columns: &TimeSource, row: &csv::StringRecord) -> Result<Option<Timestamp>, String> {
    let text = match columns {
        TimeSource::Fixed(time) => return Ok(Some(*time)),
        TimeSource::Column(column) => row.get(*column).unwrap_or_default(),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong =
        || format!("`{text}` is not a time such as 2026-01-31 09:30:00 or 2026-01-31T09:30:00Z");
    time::read(text).map(Some).ok_or_else(wrong)
}

/// A number as JSON, exactly as the platform stores it.
fn number(text: &str) -> Result<Box<RawValue>, String> {
    let wrong = |why: &str| format!("`{text}` is not a valid value: {why}");
    let decimal = Decimal::parse(text).map_err(|invalid| wrong(&invalid.detail))?;
    RawValue::from_string(decimal.to_string()).map_err(|error| wrong(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::ImportMapping;
    use super::*;

    fn rows(events: &[&str]) -> Rows {
        let mapping = ImportMapping {
            user: "user".to_owned(),
            variant: Some("group".to_owned()),
            assigned_at: Some("2026-01-01".to_owned()),
            assignments_when: Vec::new(),
            dimensions: Vec::new(),
            events: events.iter().map(|text| text.parse().unwrap()).collect(),
            event_at: Some("2026-01-02".to_owned()),
        };
        let header = csv::StringRecord::from(vec!["user", "group", "amount", "won"]);
        Rows::new(Columns::resolve(&mapping, &header).unwrap())
    }

    fn sent(rows: &mut Rows, cells: [&str; 4]) -> Vec<serde_json::Value> {
        let row = csv::StringRecord::from(cells.to_vec());
        let outcome = rows.read(&row);
        assert_eq!(outcome.errors, Vec::<String>::new());
        let events = outcome.events.iter();
        events
            .map(|event| serde_json::to_value(event).unwrap())
            .collect()
    }

    #[test]
    fn a_row_with_an_empty_value_is_no_event_but_a_zero_is_a_value() {
        let mut rows = rows(&["paid,value=amount"]);
        assert!(sent(&mut rows, ["u", "a", "", ""]).is_empty());
        assert_eq!(sent(&mut rows, ["u", "a", "0", ""])[0]["value"], 0);
        let mut without_zeros = super::tests::rows(&["paid,value=amount,when=amount!=0"]);
        assert!(sent(&mut without_zeros, ["u", "a", "0", ""]).is_empty());
    }

    #[test]
    fn equal_rows_are_different_events_with_stable_ids() {
        let ids = |mut rows: Rows| {
            let mut id = || sent(&mut rows, ["u", "a", "1.50", ""])[0]["event_id"].clone();
            [id(), id(), id()]
        };
        let first = ids(rows(&["paid,value=amount"]));
        assert!(first[0].is_null());
        assert_ne!(first[1], first[2]);
        assert_eq!(first, ids(rows(&["paid,value=amount"])));
    }

    #[test]
    fn an_invalid_cell_affects_only_its_event() {
        let mut rows = rows(&["paid,value=amount", "won,when=won=TRUE"]);
        let row = csv::StringRecord::from(vec!["u", "a", "much", "TRUE"]);
        let outcome = rows.read(&row);
        assert!(outcome.assignment.is_some());
        assert_eq!(outcome.events.len(), 1);
        assert!(outcome.errors[0].contains("`much`"), "{:?}", outcome.errors);
    }
}
