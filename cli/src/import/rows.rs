//! From a row of the file to what is sent: an assignment, events, or a reason why not.

use super::mapping::{AssignmentPlan, EventPlan, Instant, Kind, Plan};
use crate::time;
use domain::decimal::Decimal;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An assignment as the API takes it.
#[derive(Debug, Serialize)]
pub(super) struct Assignment<'r> {
    user_id: &'r str,
    pub(super) variant: &'r str,
    assigned_at: Timestamp,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'r str, &'r str>,
}

/// An event as the API takes it.
#[derive(Debug, Serialize)]
pub(super) struct Event<'r> {
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

/// What a row comes to.
#[derive(Debug, Default)]
pub(super) struct Outcome<'r> {
    pub(super) assignment: Option<Assignment<'r>>,
    pub(super) events: Vec<Event<'r>>,
    /// What is wrong with it, if anything; the rest of the row is good all the same.
    pub(super) faults: Vec<String>,
}

/// Reads the rows of one file.
pub(super) struct Rows {
    plan: Plan,
    /// How often each event has occurred so far, by a hash of its content.
    seen: HashMap<u64, u32>,
}

impl Rows {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            seen: HashMap::new(),
        }
    }

    /// The user of a row.
    pub(super) fn user<'r>(&self, row: &'r csv::StringRecord) -> &'r str {
        row.get(self.plan.user).unwrap_or_default()
    }

    /// What the row comes to.
    pub(super) fn read<'r>(&'r mut self, row: &'r csv::StringRecord) -> Outcome<'r> {
        let user_id = self.user(row);
        let mut outcome = Outcome::default();
        if user_id.is_empty() {
            outcome.faults.push("the user's id is empty".to_owned());
            return outcome;
        }
        if let Some(plan) = &self.plan.assignment {
            match assignment(plan, user_id, row) {
                Ok(assignment) => outcome.assignment = assignment,
                Err(fault) => outcome.faults.push(fault),
            }
        }
        for plan in &self.plan.events {
            match event(plan, user_id, row, &mut self.seen) {
                Ok(event) => outcome.events.extend(event),
                Err(fault) => outcome.faults.push(fault),
            }
        }
        outcome
    }
}

fn assignment<'r>(
    plan: &'r AssignmentPlan,
    user_id: &'r str,
    row: &'r csv::StringRecord,
) -> Result<Option<Assignment<'r>>, String> {
    let variant = row.get(plan.variant).unwrap_or_default();
    if variant.is_empty() || !plan.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let at = instant(&plan.at, row)?;
    Ok(at.map(|assigned_at| Assignment {
        user_id,
        variant,
        assigned_at,
        attributes: filled(&plan.attributes, row),
    }))
}

/// The cells of named columns that are not empty.
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
    plan: &'r EventPlan,
    user_id: &'r str,
    row: &'r csv::StringRecord,
    seen: &mut HashMap<u64, u32>,
) -> Result<Option<Event<'r>>, String> {
    if !plan.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let r#type = match &plan.kind {
        Kind::Fixed(kind) => kind.as_str(),
        Kind::Column(column) => row.get(*column).unwrap_or_default(),
    };
    let value = match plan
        .value
        .map(|column| row.get(column).unwrap_or_default().trim())
    {
        Some("") => return Ok(None),
        Some(text) => Some(number(text)?),
        None => None,
    };
    let Some(timestamp) = instant(&plan.time, row)? else {
        return Ok(None);
    };
    if r#type.is_empty() {
        return Ok(None);
    }
    let mut event = Event {
        user_id,
        r#type,
        timestamp,
        value,
        properties: filled(&plan.properties, row),
        event_id: None,
    };
    let given = plan.id.and_then(|column| row.get(column));
    event.event_id = match given {
        Some("") => return Err("the event's id is empty".to_owned()),
        Some(id) => Some(id.to_owned()),
        None => id_of_repeat(&event, seen),
    };
    Ok(Some(event))
}

/// The id of an event whose content has occurred before in this file; the first occurrence has none.
///
/// The API tells events without an id apart by their content, which is what makes it harmless to run an import
/// again. Two equal rows of one file are two events all the same, so the second one needs an id: the content
/// once more and which occurrence it is. It depends on nothing else, neither on the order of other rows nor on
/// further columns.
fn id_of_repeat(event: &Event<'_>, seen: &mut HashMap<u64, u32>) -> Option<String> {
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

/// The time of a row; none when its cell is empty.
fn instant(plan: &Instant, row: &csv::StringRecord) -> Result<Option<Timestamp>, String> {
    let text = match plan {
        Instant::Fixed(time) => return Ok(Some(*time)),
        Instant::Column(column) => row.get(*column).unwrap_or_default(),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong =
        || format!("`{text}` is no time such as 2026-01-31 09:30:00 or 2026-01-31T09:30:00Z");
    time::read(text).map(Some).ok_or_else(wrong)
}

/// A number exactly as the platform keeps it, in JSON.
fn number(text: &str) -> Result<Box<RawValue>, String> {
    let wrong = |why: &str| format!("`{text}` is no value: {why}");
    let decimal = Decimal::parse(text).map_err(|invalid| wrong(&invalid.detail))?;
    RawValue::from_string(decimal.to_string()).map_err(|error| wrong(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Mapping;
    use super::*;

    fn rows(events: &[&str]) -> Rows {
        let mapping = Mapping {
            user: "user".to_owned(),
            variant: Some("group".to_owned()),
            assigned_at: Some("2026-01-01".to_owned()),
            assignments_when: Vec::new(),
            dimensions: Vec::new(),
            events: events.iter().map(|text| text.parse().unwrap()).collect(),
            event_at: Some("2026-01-02".to_owned()),
        };
        let header = csv::StringRecord::from(vec!["user", "group", "amount", "won"]);
        Rows::new(mapping.plan(&header).unwrap())
    }

    fn sent(rows: &mut Rows, cells: [&str; 4]) -> Vec<serde_json::Value> {
        let row = csv::StringRecord::from(cells.to_vec());
        let outcome = rows.read(&row);
        assert_eq!(outcome.faults, Vec::<String>::new());
        let events = outcome.events.iter();
        events
            .map(|event| serde_json::to_value(event).unwrap())
            .collect()
    }

    #[test]
    fn an_empty_value_is_no_event_and_a_zero_is_one() {
        let mut rows = rows(&["paid,value=amount"]);
        assert!(sent(&mut rows, ["u", "a", "", ""]).is_empty());
        assert_eq!(sent(&mut rows, ["u", "a", "0", ""])[0]["value"], 0);
        let mut without_zeros = super::tests::rows(&["paid,value=amount,when=amount!=0"]);
        assert!(sent(&mut without_zeros, ["u", "a", "0", ""]).is_empty());
    }

    #[test]
    fn equal_rows_are_different_events_with_ids_that_stay() {
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
    fn a_bad_cell_spoils_its_event_only() {
        let mut rows = rows(&["paid,value=amount", "won,when=won=TRUE"]);
        let row = csv::StringRecord::from(vec!["u", "a", "much", "TRUE"]);
        let outcome = rows.read(&row);
        assert!(outcome.assignment.is_some());
        assert_eq!(outcome.events.len(), 1);
        assert!(outcome.faults[0].contains("`much`"), "{:?}", outcome.faults);
    }
}
