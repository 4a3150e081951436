//! What changed from one version of a definition to the next.

use super::experiment::Experiment;
use super::flag::Flag;
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

/// The values of a flag that a change made others. Those of an environment are named by their path, such as
/// `environments/production/enabled`.
///
/// # Errors
/// If a definition cannot be written as JSON.
pub fn flag_changes(before: &Flag, after: &Flag) -> serde_json::Result<Vec<FieldChange>> {
    Ok(differences(&flag_fields(before)?, &flag_fields(after)?))
}

fn flag_fields(flag: &Flag) -> serde_json::Result<Map<String, Value>> {
    let mut all = fields(flag)?;
    let Some(Value::Object(environments)) = all.remove("environments") else {
        return Ok(all);
    };
    for (name, environment) in environments {
        let Value::Object(fields) = environment else {
            continue;
        };
        let path = |field: &str| format!("environments/{name}/{field}");
        all.extend(
            fields
                .into_iter()
                .map(|(field, value)| (path(&field), value)),
        );
    }
    Ok(all)
}

fn field_changes<T: Serialize>(before: &T, after: &T) -> serde_json::Result<Vec<FieldChange>> {
    Ok(differences(&fields(before)?, &fields(after)?))
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| !DERIVED.contains(&name.as_str()) && before.get(*name) != after.get(*name));
    let change = |name: &String| FieldChange {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    changed.map(change).collect()
}

fn fields(definition: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(definition)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
