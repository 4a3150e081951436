//! Resolves intrinsic functions (`!Ref`, `!Sub`, `!If`, …) to their local values.

use super::error::TemplateError;
use super::local::LocalNames;
use super::node::{describe, scalar_text};
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;

/// Everything that a template can refer to by name.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    /// Values of the parameters: overrides, or else defaults.
    pub(super) parameters: &'a BTreeMap<String, Value>,
    /// The `Conditions` section, unresolved.
    pub(super) conditions: &'a Mapping,
    /// Resource types by logical id.
    pub(super) resources: &'a BTreeMap<String, String>,
    /// Values of the pseudo parameters and ARNs.
    pub(super) local: &'a LocalNames,
}

type Resolved<T> = Result<T, TemplateError>;

/// Conditions can refer to conditions. More levels than this mean a circular reference.
const MAX_CONDITION_DEPTH: usize = 32;

impl Resolver<'_> {
    /// Replaces every intrinsic function in `value`. Returns `None` if the result is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value, path: &str) -> Resolved<Option<Value>> {
        if let Some((name, argument)) = intrinsic(value) {
            return self.call(&name, argument, path);
        }
        Ok(Some(match value {
            Value::Sequence(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    resolved.extend(self.resolve(item, &format!("{path}[{index}]"))?);
                }
                Value::Sequence(resolved)
            }
            Value::Mapping(members) => {
                let mut resolved = Mapping::with_capacity(members.len());
                for (key, member) in members {
                    let place = format!("{path}.{}", scalar_text(key).unwrap_or_default());
                    if let Some(member) = self.resolve(member, &place)? {
                        resolved.insert(key.clone(), member);
                    }
                }
                Value::Mapping(resolved)
            }
            Value::Tagged(tagged) => {
                return Err(TemplateError::UnsupportedIntrinsic {
                    path: path.to_owned(),
                    name: tagged.tag.to_string(),
                });
            }
            plain => plain.clone(),
        }))
    }

    /// Evaluates the condition with this name.
    pub(super) fn condition(&self, name: &str, path: &str) -> Resolved<bool> {
        self.named_condition(name, path, 0)
    }

    fn call(&self, name: &str, argument: &Value, path: &str) -> Resolved<Option<Value>> {
        match name {
            "Ref" => self.reference(&text(argument, path)?, path),
            "GetAtt" => self.attribute(argument, path).map(some_text),
            "Sub" => self.substitute(argument, path).map(some_text),
            "If" => {
                let [condition, yes, no] = arguments(argument, path)?;
                let holds = self.condition(&text(condition, path)?, path)?;
                self.resolve(if holds { yes } else { no }, path)
            }
            "Join" => {
                let [separator, parts] = arguments(argument, path)?;
                let parts = self.texts(parts, path)?;
                Ok(some_text(parts.join(&text(separator, path)?)))
            }
            "Select" => {
                let [index, items] = arguments(argument, path)?;
                let index = self.text(index, path)?;
                let items = self.texts(items, path)?;
                let item = index.parse().ok().and_then(|i: usize| items.get(i));
                item.map(|item| some_text(item.clone()))
                    .ok_or_else(|| unexpected(path, "an index within the list", argument))
            }
            _ => Err(TemplateError::UnsupportedIntrinsic {
                path: path.to_owned(),
                name: name.to_owned(),
            }),
        }
    }

    fn reference(&self, name: &str, path: &str) -> Resolved<Option<Value>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        let resource = || {
            let kind = self.resources.get(name)?;
            Some(self.local.reference(name, kind))
        };
        self.local
            .pseudo_parameter(name)
            .or_else(resource)
            .map(some_text)
            .ok_or_else(|| unknown(path, name))
    }

    fn attribute(&self, argument: &Value, path: &str) -> Resolved<String> {
        let full = match argument {
            Value::Sequence(parts) => parts
                .iter()
                .map(|part| text(part, path))
                .collect::<Resolved<Vec<_>>>()?
                .join("."),
            other => text(other, path)?,
        };
        self.attribute_of(&full, path)
    }

    fn attribute_of(&self, full: &str, path: &str) -> Resolved<String> {
        full.split_once('.')
            .and_then(|(resource, attribute)| {
                let kind = self.resources.get(resource)?;
                self.local.attribute(resource, kind, attribute)
            })
            .ok_or_else(|| unknown(path, full))
    }

    /// Resolves `Fn::Sub`, with or without its own map of names.
    fn substitute(&self, argument: &Value, path: &str) -> Resolved<String> {
        let (pattern, own) = match argument {
            Value::Sequence(parts) => match parts.as_slice() {
                [pattern, Value::Mapping(own)] => (text(pattern, path)?, Some(own)),
                _ => return Err(unexpected(path, "a string and a mapping", argument)),
            },
            other => (text(other, path)?, None),
        };
        let mut output = String::with_capacity(pattern.len());
        let mut rest = pattern.as_str();
        while let Some(start) = rest.find("${") {
            output.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = after
                .find('}')
                .ok_or_else(|| unexpected(path, "a closing brace", argument))?;
            let name = &after[..end];
            if let Some(literal) = name.strip_prefix('!') {
                output.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = own.and_then(|own| own.get(name)) {
                output.push_str(&self.text(value, path)?);
            } else if name.contains('.') {
                output.push_str(&self.attribute_of(name, path)?);
            } else {
                let value = self.reference(name, path)?;
                let value = value.as_ref().and_then(scalar_text);
                output.push_str(&value.ok_or_else(|| unknown(path, name))?);
            }
            rest = &after[end + 1..];
        }
        output.push_str(rest);
        Ok(output)
    }

    fn named_condition(&self, name: &str, path: &str, depth: usize) -> Resolved<bool> {
        let place = format!("Conditions.{name}");
        let value = self.conditions.get(name);
        match value {
            Some(value) if depth < MAX_CONDITION_DEPTH => self.boolean(value, &place, depth + 1),
            Some(_) => Err(TemplateError::Conflict {
                path: place,
                reason: "circular references between conditions".to_owned(),
            }),
            None => Err(unknown(path, name)),
        }
    }

    fn boolean(&self, value: &Value, path: &str, depth: usize) -> Resolved<bool> {
        let Some((name, argument)) = intrinsic(value) else {
            return Err(unexpected(path, "a condition function", value));
        };
        match name.as_str() {
            "Equals" => {
                let [left, right] = arguments(argument, path)?;
                Ok(self.text(left, path)? == self.text(right, path)?)
            }
            "Not" => {
                let [inner] = arguments(argument, path)?;
                Ok(!self.boolean(inner, path, depth)?)
            }
            "And" => self.combine(argument, path, depth, true),
            "Or" => self.combine(argument, path, depth, false),
            "Condition" => self.named_condition(&text(argument, path)?, path, depth),
            _ => Err(TemplateError::UnsupportedIntrinsic {
                path: path.to_owned(),
                name,
            }),
        }
    }

    fn combine(&self, argument: &Value, path: &str, depth: usize, all: bool) -> Resolved<bool> {
        let items = argument
            .as_sequence()
            .ok_or_else(|| unexpected(path, "a list of conditions", argument))?;
        for item in items {
            if self.boolean(item, path, depth)? != all {
                return Ok(!all);
            }
        }
        Ok(all)
    }

    fn text(&self, value: &Value, path: &str) -> Resolved<String> {
        self.resolve(value, path)?
            .as_ref()
            .and_then(scalar_text)
            .ok_or_else(|| unexpected(path, "a string", value))
    }

    fn texts(&self, value: &Value, path: &str) -> Resolved<Vec<String>> {
        let resolved = self.resolve(value, path)?;
        let items = resolved.as_ref().and_then(Value::as_sequence);
        items
            .and_then(|items| items.iter().map(scalar_text).collect())
            .ok_or_else(|| unexpected(path, "a list of strings", value))
    }
}

/// Returns the name without `Fn::` and the argument of an intrinsic function, from the form `!Ref x` or `Ref: x`.
fn intrinsic(value: &Value) -> Option<(String, &Value)> {
    match value {
        Value::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            Some((name.trim_start_matches('!').to_owned(), &tagged.value))
        }
        Value::Mapping(members) if members.len() == 1 => {
            let (key, argument) = members.iter().next()?;
            match key.as_str()? {
                // If its value is a mapping, `Condition` is a member of an IAM statement, not an intrinsic function.
                name @ ("Ref" | "Condition") => {
                    argument.is_string().then(|| (name.to_owned(), argument))
                }
                name => Some((name.strip_prefix("Fn::")?.to_owned(), argument)),
            }
        }
        _ => None,
    }
}

fn arguments<'v, const N: usize>(value: &'v Value, path: &str) -> Resolved<[&'v Value; N]> {
    value
        .as_sequence()
        .and_then(|items| items.iter().collect::<Vec<_>>().try_into().ok())
        .ok_or_else(|| unexpected(path, "the right number of arguments", value))
}

fn text(value: &Value, path: &str) -> Resolved<String> {
    scalar_text(value).ok_or_else(|| unexpected(path, "a string", value))
}

fn some_text(text: String) -> Option<Value> {
    Some(Value::String(text))
}

fn unexpected(path: &str, expected: &'static str, found: &Value) -> TemplateError {
    TemplateError::Unexpected {
        path: path.to_owned(),
        expected,
        found: describe(found),
    }
}

fn unknown(path: &str, name: &str) -> TemplateError {
    TemplateError::UnknownName {
        path: path.to_owned(),
        name: name.to_owned(),
    }
}
