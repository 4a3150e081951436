//! Reads JSON bodies and reports all faults at once.
//!
//! A derived deserialiser stops at the first fault, reads numbers through `f64` and lets the last of two equal keys win.
//! Here each value keeps its text until it is read as a type, and each fault is noted with its JSON pointer.

mod envelope;
mod json_value;
mod values;

pub use envelope::{digest, json, json_as_text};
pub use values::{choice, listed, prose};

use super::problem::{Fault, Problem};
use domain::Invalid;
use domain::prose::{counted, grouped_size};
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault at a JSON pointer.
    pub fn push(&mut self, pointer: impl Into<String>, invalid: Invalid) {
        self.0.push(Fault::at(pointer, invalid));
    }

    /// Notes faults that another reader found.
    pub fn extend(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults);
    }

    /// Whether there are no faults.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults themselves.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }

    /// The value, if it was read and there is no fault.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn check<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            None if self.0.is_empty() => {
                Err(Problem::internal("a value is missing without a fault"))
            }
            _ => Err(Problem::invalid(self.0)),
        }
    }
}

/// A JSON value as text, with its JSON pointer.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    raw: &'a str,
    pointer: String,
}

impl<'a> Node<'a> {
    /// The root of a text that [`json`] has accepted.
    pub fn root(text: &'a str) -> Self {
        Self {
            raw: text.trim(),
            pointer: String::new(),
        }
    }

    /// The JSON pointer of the value.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The text of the value.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Whether it is a text without characters.
    pub fn is_empty_text(&self) -> bool {
        self.raw == "\"\""
    }

    fn wrong_type(&self, faults: &mut Faults, expected: &str) {
        let seen = match self.raw.as_bytes().first() {
            Some(b'"') => "a text",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "true or false",
            Some(b'n') => "null",
            _ => "a number",
        };
        faults.push(
            &self.pointer,
            Invalid::new("wrong_type", format!("Must be {expected}, not {seen}.")),
        );
    }

    /// The value as an object.
    pub fn object(&self, faults: &mut Faults) -> Option<Object<'a>> {
        if !self.raw.starts_with('{') {
            self.wrong_type(faults, "an object");
            return None;
        }
        // Well-formed as a whole, but an escape inside a key may still be impossible.
        match serde_json::from_str::<Entries<'a>>(self.raw) {
            Err(_) => {
                let detail = "A name in this object has an impossible escape sequence.";
                faults.push(&self.pointer, Invalid::new("bad_text", detail));
                None
            }
            Ok(Entries(entries)) => {
                let mut fields: Vec<(String, Node<'a>)> = Vec::with_capacity(entries.len());
                for (name, raw) in entries {
                    let pointer = format!(
                        "{}/{}",
                        self.pointer,
                        name.replace('~', "~0").replace('/', "~1")
                    );
                    if fields.iter().any(|(known, _)| *known == name) {
                        faults.push(
                            &pointer,
                            Invalid::new(
                                "duplicate_field",
                                "The object has this name more than once.",
                            ),
                        );
                    } else {
                        fields.push((
                            name,
                            Node {
                                raw: raw.get(),
                                pointer,
                            },
                        ));
                    }
                }
                Some(Object {
                    pointer: self.pointer.clone(),
                    fields,
                })
            }
        }
    }

    /// The elements of an array with at most `most` elements.
    pub fn array(&self, faults: &mut Faults, most: usize) -> Option<Vec<Node<'a>>> {
        let Some(elements) = self
            .raw
            .starts_with('[')
            .then(|| serde_json::from_str::<Vec<&'a RawValue>>(self.raw).ok())
            .flatten()
        else {
            self.wrong_type(faults, "an array");
            return None;
        };
        if elements.len() > most {
            let detail = format!(
                "May have at most {}; this has {}.",
                counted(most.try_into().unwrap_or(u64::MAX), "element"),
                grouped_size(elements.len())
            );
            faults.push(&self.pointer, Invalid::new("too_many", detail));
            return None;
        }
        let node = |(index, raw): (usize, &&'a RawValue)| Node {
            raw: raw.get(),
            pointer: format!("{}/{index}", self.pointer),
        };
        Some(elements.iter().enumerate().map(node).collect())
    }

    /// The elements of an array with at most `most` texts, each given to `parse`. `repeated` says what is wrong with an
    /// element that was there before.
    pub fn unique_texts<T: Ord + Clone>(
        &self,
        faults: &mut Faults,
        most: usize,
        parse: impl Fn(&str) -> Result<T, Invalid>,
        repeated: impl Fn(&T) -> String,
    ) -> Option<Vec<T>> {
        let elements = self.array(faults, most)?;
        let mut seen = BTreeSet::new();
        let mut values = Vec::with_capacity(elements.len());
        for element in &elements {
            let Some(value) = element.text(faults, &parse) else {
                continue;
            };
            if !seen.insert(value.clone()) {
                let invalid = Invalid::new("duplicate_key", repeated(&value));
                faults.push(element.pointer(), invalid);
            }
            values.push(value);
        }
        (values.len() == elements.len()).then_some(values)
    }

    /// The value as text, given to `parse`.
    pub fn text<T>(
        &self,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        if !self.raw.starts_with('"') {
            self.wrong_type(faults, "a text");
            return None;
        }
        let Ok(text) = serde_json::from_str::<Cow<'_, str>>(self.raw) else {
            faults.push(
                &self.pointer,
                Invalid::new("bad_text", "Has an impossible escape sequence."),
            );
            return None;
        };
        self.noted(faults, parse(&text))
    }

    /// The value as the digits of a number, given to `parse` as they were written.
    pub fn number<T>(
        &self,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        if !self
            .raw
            .starts_with(|c: char| c == '-' || c.is_ascii_digit())
        {
            self.wrong_type(faults, "a number");
            return None;
        }
        self.noted(faults, parse(self.raw))
    }

    /// The value as true or false.
    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        match self.raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong_type(faults, "true or false");
                None
            }
        }
    }

    /// The value as one of a list of names.
    pub fn choice<T: Copy>(&self, faults: &mut Faults, choices: &[(&str, T)]) -> Option<T> {
        self.text(faults, choice(choices))
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.raw == "null"
    }

    fn noted<T>(&self, faults: &mut Faults, result: Result<T, Invalid>) -> Option<T> {
        result
            .map_err(|invalid| faults.push(&self.pointer, invalid))
            .ok()
    }
}

/// An object whose fields are taken one by one. Fields that are left are unknown.
#[derive(Debug)]
pub struct Object<'a> {
    pointer: String,
    fields: Vec<(String, Node<'a>)>,
}

impl<'a> Object<'a> {
    /// Takes a field that may be missing; `null` counts as missing.
    pub fn optional(&mut self, name: &str) -> Option<Node<'a>> {
        self.nullable(name).filter(|node| !node.is_null())
    }

    /// Takes a field that may be missing or `null`, where the two mean different things.
    pub fn nullable(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.swap_remove(at).1)
    }

    /// The JSON pointer of a field that is `null`.
    pub fn pointer_of_null(&self, name: &str) -> Option<&str> {
        let (_, node) = self.fields.iter().find(|(known, _)| known == name)?;
        node.is_null().then(|| node.pointer())
    }

    /// Takes a required field.
    pub fn required(&mut self, name: &str, faults: &mut Faults) -> Option<Node<'a>> {
        let node = self.optional(name);
        if node.is_none() {
            faults.push(
                format!("{}/{name}", self.pointer),
                Invalid::new("required", format!("`{name}` is required.")),
            );
        }
        node
    }

    /// Takes all fields that are left.
    pub fn into_fields(self) -> impl Iterator<Item = (String, Node<'a>)> {
        self.fields.into_iter()
    }

    /// Whether a field is present and not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// Notes a fault for each field that was not taken: a misspelt name is not ignored.
    pub fn finish(self, faults: &mut Faults, known: &str) {
        for (name, node) in self.fields {
            let known = if known.is_empty() {
                "no fields are allowed here".to_owned()
            } else {
                format!("the fields are {known}")
            };
            let detail = format!("`{name}` is unknown; {known}.");
            faults.push(node.pointer, Invalid::new("unknown_field", detail));
        }
    }
}

/// The entries of an object in the order of the text, with repeated names.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
