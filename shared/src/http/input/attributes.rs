//! Attributes of a user: what targeting and dimensions are evaluated on.

use crate::http::body::{Faults, Node};
use domain::Invalid;
use domain::assignment::Attributes;
use domain::condition::{javascript_text, number_text};
use domain::evaluation_context::EvaluationContext;
use domain::ids::{DimensionKey, DimensionLabel, UserId};
use domain::limits;
use domain::prose::grouped_size;
use serde_json::{Map, Value};

/// The value of a query parameter: JSON if it is written as JSON, and text otherwise. A number is one only if it is
/// written as JavaScript writes it, so that `1.10` and `007` stay texts.
pub(super) fn of_text(text: &str) -> Value {
    let value = match serde_json::from_str(text) {
        Ok(value) if text.trim() == text => value,
        _ => return text.into(),
    };
    match &value {
        Value::Number(number) if number.as_f64().map(number_text).as_deref() != Some(text) => {
            text.into()
        }
        _ => value,
    }
}

/// Adds a value at a path of names, such as `address.city`.
pub(super) fn insert(
    attributes: &mut Map<String, Value>,
    path: &str,
    value: Value,
) -> Result<(), Invalid> {
    let names: Vec<&str> = path.split('.').collect();
    if names.len() > limits::MAX_ATTRIBUTE_DEPTH {
        return Err(too_deep());
    }
    let Some((last, parents)) = names.split_last() else {
        return Ok(());
    };
    let mut fields = attributes;
    for name in parents {
        let inner = fields.entry(*name).or_insert_with(|| Map::new().into());
        match inner {
            Value::Object(inner) => fields = inner,
            _ => return Err(conflict(name)),
        }
    }
    match fields.insert((*last).to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(conflict(last)),
    }
}

fn conflict(name: &str) -> Invalid {
    let detail = format!("`{name}` is both a value and an object, or is sent more than once.");
    Invalid::new("conflicting_attributes", detail)
}

fn too_deep() -> Invalid {
    let detail = format!(
        "Attributes may be nested at most {} levels deep.",
        limits::MAX_ATTRIBUTE_DEPTH
    );
    Invalid::new("too_deep", detail)
}

/// Checks the attributes of a user as a whole: their size, and that `id` is the user id.
pub(in crate::http) fn check(
    attributes: &Map<String, Value>,
    user: Option<&UserId>,
) -> Vec<(String, Invalid)> {
    let mut faults = Vec::new();
    if depth(attributes.values()) > limits::MAX_ATTRIBUTE_DEPTH {
        faults.push((String::new(), too_deep()));
        return faults;
    }
    let size = serde_json::to_string(attributes).map_or(usize::MAX, |text| text.len());
    if size > limits::MAX_ATTRIBUTES_BYTES {
        let detail = format!(
            "The attributes of a user may have at most {} bytes as compact JSON; these have {}.",
            grouped_size(limits::MAX_ATTRIBUTES_BYTES),
            grouped_size(size)
        );
        faults.push((String::new(), Invalid::new("too_long", detail)));
    }
    let name = EvaluationContext::USER_ID_ATTRIBUTE;
    if let (Some(id), Some(user)) = (attributes.get(name), user)
        && javascript_text(id) != user.as_str()
    {
        let detail = format!("`{name}` is the user id. Leave it out, or send the id of the user.");
        faults.push((name.to_owned(), Invalid::new("other_user", detail)));
    }
    faults
}

/// The levels of values, from 1.
fn depth<'v>(values: impl Iterator<Item = &'v Value>) -> usize {
    let inner = values.map(|value| match value {
        Value::Array(elements) => depth(elements.iter()),
        Value::Object(fields) => depth(fields.values()),
        _ => 0,
    });
    1 + inner.max().unwrap_or_default()
}

/// The attributes of a user in a body, as a whole: see [`check`].
pub(super) fn read(
    node: Option<Node<'_>>,
    pointer: &str,
    user: Option<&UserId>,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let sent = node.map_or_else(|| Some(Map::new()), |node| node.map(faults))?;
    for (name, invalid) in check(&sent, user) {
        let place = if name.is_empty() {
            pointer.to_owned()
        } else {
            format!("{pointer}/{name}")
        };
        faults.push(place, invalid);
    }
    Some(sent)
}

/// The values of the declared dimensions. Missing and empty ones are absent.
pub(super) fn dimension_values(
    attributes: &Map<String, Value>,
    dimensions: &[DimensionKey],
) -> Result<Attributes, Vec<(DimensionKey, Invalid)>> {
    let mut values = Attributes::new();
    let mut faults = Vec::new();
    for key in dimensions {
        match attributes.get(key.as_str()).map(label).transpose() {
            Ok(Some(Some(label))) => {
                values.insert(key.clone(), label);
            }
            Ok(_) => {}
            Err(invalid) => faults.push((key.clone(), invalid)),
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

/// The values of the declared dimensions. Those that cannot be the value of a dimension count as missing: the attributes of
/// flags are for all rules, and not for one experiment.
pub fn usable_dimension_values(attributes: &Value, dimensions: &[DimensionKey]) -> Attributes {
    let labels = dimensions.iter().filter_map(|key| {
        let value = attributes.get(key.as_str())?;
        Some((key.clone(), label(value).ok()??))
    });
    labels.collect()
}

fn label(value: &Value) -> Result<Option<DimensionLabel>, Invalid> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(Invalid::new(
            "wrong_type",
            "The experiment declares this attribute as a dimension, so it must be a text, a number, true or false.",
        )),
        value => DimensionLabel::parse(&javascript_text(value)).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_is_json_if_it_is_written_as_json() {
        for (text, expected) in [
            ("DE", json!("DE")),
            ("18", json!(18)),
            ("-0.5", json!(-0.5)),
            ("1e21", json!("1e21")),
            ("1e+21", json!(1e21)),
            ("1.10", json!("1.10")),
            ("007", json!("007")),
            ("12345678901234567890", json!("12345678901234567890")),
            ("\"18\"", json!("18")),
            ("true", json!(true)),
            ("null", json!(null)),
            (" true", json!(" true")),
            ("[\"a\",1]", json!(["a", 1])),
            ("{\"a\":1}", json!({"a": 1})),
            ("[a", json!("[a")),
            ("NaN", json!("NaN")),
        ] {
            assert_eq!(of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_become_objects_and_conflicts_are_found() {
        let mut attributes = Map::new();
        for (path, value) in [("a.b", 1), ("a.c.d", 2), ("e", 3)] {
            insert(&mut attributes, path, value.into()).unwrap();
        }
        let expected = json!({"a": {"b": 1, "c": {"d": 2}}, "e": 3});
        assert_eq!(Value::from(attributes.clone()), expected);
        for path in ["a", "a.b.c", "e", "e.f"] {
            let fault = insert(&mut attributes, path, 9.into()).unwrap_err();
            assert_eq!(fault.code, "conflicting_attributes", "{path}");
        }
        let deep = ["a"; limits::MAX_ATTRIBUTE_DEPTH + 1].join(".");
        let fault = insert(&mut attributes, &deep, 1.into()).unwrap_err();
        assert_eq!(fault.code, "too_deep");
    }
}
