//! The JSON Schema of a flag's values.
//!
//! It is a schema of draft 2020-12 without references: a value is then checked in a time that its size and that of the schema
//! bound, and nothing is fetched.

use super::fault::FlagFault;
use crate::Invalid;
use crate::json_value::{Place, depth, unstorable};
use crate::limits;
use crate::prose::grouped_size;
use jsonschema::{Draft, PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of JSON Schema, as `$schema` names it.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that name other schemas. A schema that contains itself can take any time.
const REFERENCES: [&str; 7] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$vocabulary",
];

/// Faults of one value that are listed.
const MAX_FAULTS_SHOWN: usize = 10;

/// A JSON Schema, as the caller wrote it. [`super::Flag::faults`] says whether it is valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueSchema(pub Value);

impl ValueSchema {
    /// The compiled schema.
    ///
    /// # Errors
    /// Every fault with its place.
    pub(super) fn compile(&self, place: &Place) -> Result<Validator, Vec<FlagFault>> {
        let faults = self.faults(place);
        if !faults.is_empty() {
            return Err(faults);
        }
        let patterns = PatternOptions::regex().size_limit(limits::MAX_PATTERN_BYTES);
        let compiled = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .build(&self.0);
        compiled.map_err(|error| {
            let detail = format!("Must be a JSON Schema of draft 2020-12: {error}.");
            let place = place.inner(error.instance_path().as_str());
            vec![FlagFault::new(&place, Invalid::new("not_a_schema", detail))]
        })
    }

    fn faults(&self, place: &Place) -> Vec<FlagFault> {
        let fault = |code, detail: String| vec![FlagFault::new(place, Invalid::new(code, detail))];
        // Depth first: it bounds the recursion.
        if depth(&self.0) > limits::MAX_SCHEMA_DEPTH {
            let most = limits::MAX_SCHEMA_DEPTH;
            return fault(
                "too_deep",
                format!("May be nested at most {most} levels deep."),
            );
        }
        let size = self.0.to_string().len();
        if size > limits::MAX_SCHEMA_BYTES {
            let detail = format!(
                "May have at most {} bytes as compact JSON; this has {}.",
                grouped_size(limits::MAX_SCHEMA_BYTES),
                grouped_size(size)
            );
            return fault("too_long", detail);
        }
        if !self.0.is_object() {
            return fault("wrong_type", "Must be a JSON Schema, an object.".to_owned());
        }
        let mut faults: Vec<_> = unstorable(&self.0, place)
            .into_iter()
            .map(|(pointer, why)| FlagFault { pointer, why })
            .collect();
        let patterns = note_keywords(&self.0, place, &mut faults);
        if patterns > limits::MAX_PATTERNS {
            let detail = format!(
                "May have at most {} patterns; this has {patterns}.",
                limits::MAX_PATTERNS
            );
            faults.push(FlagFault::new(place, Invalid::new("too_many", detail)));
        }
        faults
    }
}

/// Notes references and another draft, and gives the number of patterns.
fn note_keywords(schema: &Value, place: &Place, faults: &mut Vec<FlagFault>) -> usize {
    match schema {
        Value::Object(fields) => {
            let mut patterns = 0;
            for (name, value) in fields {
                let place = place.field(name);
                if REFERENCES.contains(&name.as_str()) {
                    let detail = "References are not allowed. Write the schema out at this place.";
                    faults.push(FlagFault::new(&place, Invalid::new("reference", detail)));
                }
                if name == "$schema" && value.as_str() != Some(DRAFT) {
                    let detail = format!("Must be `{DRAFT}`, or left out.");
                    faults.push(FlagFault::new(
                        &place,
                        Invalid::new("unknown_draft", detail),
                    ));
                }
                patterns += match (name.as_str(), value) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(by_pattern)) => by_pattern.len(),
                    _ => 0,
                };
                patterns += note_keywords(value, &place, faults);
            }
            patterns
        }
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, element)| note_keywords(element, &place.element(index), faults))
            .sum(),
        _ => 0,
    }
}

/// The faults of a value.
pub(super) fn misfits(validator: &Validator, value: &Value, place: &Place) -> Vec<FlagFault> {
    let errors = validator.iter_errors(value).take(MAX_FAULTS_SHOWN);
    errors
        .map(|error| {
            let detail = format!("Does not fit the schema of the flag: {error}.");
            let place = place.inner(error.instance_path().as_str());
            FlagFault::new(&place, Invalid::new("schema_mismatch", detail))
        })
        .collect()
}
