//! openapi.yaml, and checks of values against its schemas.

use serde_json::{Map, Value, json};

const OPENAPI: &str = include_str!("../../../../openapi.yaml");
const GUIDE: &str = include_str!("../../../../docs/api.md");

/// The document.
pub(crate) struct Document {
    root: Value,
}

impl Document {
    pub(crate) fn load() -> Self {
        Self {
            root: serde_yaml_ng::from_str(OPENAPI).unwrap(),
        }
    }

    /// docs/api.md.
    pub(crate) fn guide() -> &'static str {
        GUIDE
    }

    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        let found = self.root.pointer(pointer);
        found.unwrap_or_else(|| panic!("openapi.yaml has nothing at {pointer}"))
    }

    /// The faults of a value by a schema of this document.
    pub(crate) fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        self.check(schema, Some(value))
    }

    /// The faults of a value, if there is a value. Panics if the schema is invalid.
    pub(crate) fn check(&self, schema: &Value, value: Option<&Value>) -> Vec<String> {
        let mut schemas = self.at("/components/schemas").clone();
        // Clients must ignore unknown fields, so the document allows additional fields in all objects. In this test, a
        // field that the document does not describe is a fault.
        close(&mut schemas);
        let whole = json!({ "allOf": [schema], "components": { "schemas": schemas } });
        let options = jsonschema::options().should_validate_formats(true);
        let validator = options.build(&whole).unwrap();
        let errors = value
            .into_iter()
            .flat_map(|value| validator.iter_errors(value));
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// The operation of a method and a path as a client writes it.
    pub(crate) fn operation(&self, method: &str, path: &str) -> &Value {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.at("/paths").as_object().unwrap();
        let found = paths
            .iter()
            .find(|(template, item)| fits(template, path) && item.get(method).is_some());
        let (_, item) = found.unwrap_or_else(|| panic!("openapi.yaml has no {method} {path}"));
        &item[method]
    }

    /// The schema of an answer.
    pub(crate) fn answer(&self, operation: &Value, status: u16, content_type: &str) -> Value {
        let responses = &operation["responses"];
        let mut response = responses
            .get(status.to_string())
            .or_else(|| responses.get("default"))
            .unwrap_or_else(|| panic!("no answer {status} in {}", operation["operationId"]));
        if let Some(reference) = response["$ref"].as_str() {
            response = self.at(reference.trim_start_matches('#'));
        }
        let essence = content_type.split(';').next().unwrap_or_default();
        response["content"]
            .get(essence)
            .unwrap_or_else(|| panic!("no {essence} for {status} in {}", operation["operationId"]))
            ["schema"]
            .clone()
    }

    /// Calls `visit` with every object of the document and its JSON pointer.
    pub(crate) fn each(&self, from: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
        each(from, self.at(from), visit);
    }
}

fn each(pointer: &str, value: &Value, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(pointer, object);
            for (name, value) in object {
                each(&format!("{pointer}/{name}"), value, visit);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                each(&format!("{pointer}/{index}"), value, visit);
            }
        }
        _ => {}
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && object.get("type") == Some(&json!("object")) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(array) => array.iter_mut().for_each(close),
        _ => {}
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(path)
            .all(|(wanted, seen)| wanted.starts_with('{') || *wanted == seen)
}
