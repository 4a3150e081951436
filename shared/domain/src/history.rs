//! What changed from one version of a definition to the next.

use super::experiment::Experiment;
use super::segment::Segment;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A field that a change gave another value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// The name of the field.
    pub field: String,
    /// The value before; missing if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; missing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Fields that follow from others.
const DERIVED: [&str; 4] = ["version", "updated_at", "phases", "roll_back_percent"];

/// The fields with other values, in the order of their names.
///
/// # Errors
/// If a definition cannot be written as JSON.
pub fn changes(before: &Experiment, after: &Experiment) -> serde_json::Result<Vec<FieldChange>> {
    field_changes(before, after)
}

/// The fields of a segment with other values.
///
/// # Errors
/// If a definition cannot be written as JSON.
pub fn segment_changes(before: &Segment, after: &Segment) -> serde_json::Result<Vec<FieldChange>> {
    field_changes(before, after)
}

fn field_changes<T: Serialize>(before: &T, after: &T) -> serde_json::Result<Vec<FieldChange>> {
    let (before, after) = (fields(before)?, fields(after)?);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| !DERIVED.contains(&name.as_str()) && before.get(*name) != after.get(*name));
    let change = |name: &String| FieldChange {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    Ok(changed.map(change).collect())
}

fn fields(definition: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(definition)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
