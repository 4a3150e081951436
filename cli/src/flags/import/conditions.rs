//! Tests of attributes as targeting conditions.

use serde_json::{Value, json};

/// Where a text must be in an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Beginning,
    End,
    Anywhere,
}

/// A condition on the attribute at a path of names.
pub(super) fn on(attribute: &str, expected: Value) -> Value {
    json!({attribute: expected})
}

/// The condition that all of these hold.
pub(super) fn all_of(mut conditions: Vec<Value>) -> Value {
    match conditions.len() {
        0 => json!({}),
        1 => conditions.swap_remove(0),
        _ => json!({"$and": conditions}),
    }
}

/// The condition that one of these holds, at least one.
pub(super) fn any_of(mut conditions: Vec<Value>) -> Value {
    match conditions.len() {
        1 => conditions.swap_remove(0),
        _ => json!({"$or": conditions}),
    }
}

/// The condition that this one does not hold.
pub(super) fn not(condition: &Value) -> Value {
    json!({"$not": condition})
}

/// The pattern of a text in its place.
pub(super) fn pattern(part: Part, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\^$.*+?()[]{}|/".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    match part {
        Part::Beginning => format!("^{escaped}"),
        Part::End => format!("{escaped}$"),
        Part::Anywhere => escaped,
    }
}

/// The condition that a text, or a text of an array, matches a pattern. Other values match no pattern.
pub(super) fn matching(attribute: &str, pattern: &str) -> Value {
    let test = json!({"$type": "string", "$regex": pattern});
    any_of(vec![
        on(attribute, test.clone()),
        on(attribute, json!({"$elemMatch": test})),
    ])
}

/// The path of an attribute of another system: of a name, or of a pointer such as `/address/city`.
///
/// # Errors
/// If it would be read as another attribute here.
pub(super) fn attribute_path(reference: &str) -> Result<String, String> {
    let names: Vec<String> = match reference.strip_prefix('/') {
        Some(pointer) => pointer
            .split('/')
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect(),
        None => vec![reference.to_owned()],
    };
    let is_plain =
        |name: &String| !name.is_empty() && !name.contains('.') && !name.starts_with('$');
    if names.iter().all(is_plain) {
        return Ok(names.join("."));
    }
    Err(format!(
        "the attribute `{reference}` has a name that conditions here read as a path or an operator"
    ))
}
