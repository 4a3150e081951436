//! JSON values of callers: places in them, their depth, and what the database cannot store of them.

use super::Invalid;
use serde_json::Value;

/// The sizes of numbers that DynamoDB stores, with a margin.
const STORABLE_NUMBERS: std::ops::RangeInclusive<f64> = 1e-100..=1e100;

/// A place in a JSON value. Its text is a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The value itself.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// A field of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self(format!("{}/{name}", self.0))
    }

    /// An element of an array.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// A place inside this one, by its JSON pointer from here.
    #[must_use]
    pub fn inner(&self, pointer: &str) -> Self {
        Self(format!("{}{pointer}", self.0))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The levels of arrays and objects in a value. The depth of a body is bounded, so the recursion is.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// What the database cannot store: JSON pointers and faults.
pub fn unstorable(value: &Value, place: &Place) -> Vec<(String, Invalid)> {
    let mut faults = Vec::new();
    note_unstorable(value, place, &mut faults);
    faults
}

fn note_unstorable(value: &Value, place: &Place, faults: &mut Vec<(String, Invalid)>) {
    match value {
        Value::Number(number) => {
            let size = number.as_f64().unwrap_or(f64::NAN).abs();
            if size != 0.0 && !STORABLE_NUMBERS.contains(&size) {
                let detail = "Must be 0, or have a size between 1e-100 and 1e100.";
                faults.push((place.to_string(), Invalid::new("out_of_range", detail)));
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                note_unstorable(element, &place.element(index), faults);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = place.field(name);
                if name.is_empty() {
                    let detail = "A name has at least one character.";
                    faults.push((place.to_string(), Invalid::new("empty", detail)));
                }
                note_unstorable(value, &place, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A part of a value that differs between two versions.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ValueChange {
    /// JSON pointer of the part.
    pub pointer: String,
    /// The part before; missing if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The part after; missing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The smallest parts that differ, in the order of the value. Objects are compared by names, and arrays of one length by
/// their elements. An array with another length is one change, because an inserted element moves all later ones.
pub fn differences(before: &Value, after: &Value) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    note_differences(Some(before), Some(after), &Place::root(), &mut changes);
    changes
}

fn note_differences(
    before: Option<&Value>,
    after: Option<&Value>,
    place: &Place,
    changes: &mut Vec<ValueChange>,
) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let place = place.field(name);
                note_differences(before.get(name), after.get(name), &place, changes);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                note_differences(Some(before), Some(after), &place.element(index), changes);
            }
        }
        _ => changes.push(ValueChange {
            pointer: place.to_string(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_smallest_parts_that_differ_are_listed() {
        let before = json!({"a": {"b/c": 1, "same": true}, "list": [1, {"x": 1}], "gone": null, "longer": [1]});
        let after = json!({"a": {"b/c": 2, "same": true}, "list": [1, {"x": 2}], "new": {}, "longer": [1, 2]});
        let seen = differences(&before, &after);
        let seen: Vec<_> = seen
            .iter()
            .map(|change| {
                (
                    &*change.pointer,
                    change.before.clone(),
                    change.after.clone(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("/a/b~1c", Some(json!(1)), Some(json!(2))),
                ("/gone", Some(json!(null)), None),
                ("/list/1/x", Some(json!(1)), Some(json!(2))),
                ("/longer", Some(json!([1])), Some(json!([1, 2]))),
                ("/new", None, Some(json!({}))),
            ]
        );
        assert!(differences(&after, &after).is_empty());
    }

    #[test]
    fn what_the_database_cannot_store_is_found_at_its_place() {
        let value = json!({"a": [1e200, 0.0, 1e-200], "b": {"": 1}});
        let faults = unstorable(&value, &Place::root().field("value"));
        let seen: Vec<_> = faults
            .iter()
            .map(|(at, why)| (at.as_str(), why.code))
            .collect();
        assert_eq!(
            seen,
            [
                ("/value/a/0", "out_of_range"),
                ("/value/a/2", "out_of_range"),
                ("/value/b/", "empty")
            ]
        );
        assert_eq!(depth(&value), 2);
    }
}
