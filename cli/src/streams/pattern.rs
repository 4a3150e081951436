//! The event patterns of `FilterCriteria`, which select the records that a function receives.
//!
//! Patterns support exact values, `prefix`, `suffix`, `equals-ignore-case`, `anything-but` and `exists`, at any depth. The
//! platform does not start with any other operator. If it ignored one, a function would receive records that it does not
//! receive in the cloud.

use serde_json::{Map, Value};

/// A pattern. Every field in it must match.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<(String, Field)>);

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// A pattern for a nested object.
    Inside(Pattern),
    /// At least one of these must match.
    OneOf(Vec<Matcher>),
}

#[derive(Debug, Clone, PartialEq)]
enum Matcher {
    Equals(Value),
    EqualsIgnoringCase(String),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Matcher>),
    Exists(bool),
}

impl Pattern {
    /// Parses the JSON text of a pattern. The error names the unsupported part.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("it is malformed JSON: {error}"))?;
        match value {
            Value::Object(members) => Self::read(&members, ""),
            _ => Err("it must be an object".to_owned()),
        }
    }

    fn read(members: &Map<String, Value>, path: &str) -> Result<Self, String> {
        if members.is_empty() {
            return Err(format!("{} is empty", described_path(path)));
        }
        let fields = members.iter().map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            // Operators such as `$or` are used instead of a field name.
            if name.starts_with('$') {
                return Err(format!("{path} is not supported by the local platform"));
            }
            let field = match value {
                Value::Object(inside) => Field::Inside(Self::read(inside, &path)?),
                Value::Array(values) if !values.is_empty() => {
                    let matchers = values.iter().map(|value| Matcher::read(value, &path));
                    Field::OneOf(matchers.collect::<Result<_, _>>()?)
                }
                _ => return Err(format!("{path} must be an object or a list of values")),
            };
            Ok((name.clone(), field))
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a record in the function's form matches.
    pub(super) fn matches(&self, record: &Value) -> bool {
        self.matches_any(&[record])
    }

    /// A path can lead to several values through lists. One matching value is enough.
    fn matches_any(&self, values: &[&Value]) -> bool {
        self.0.iter().all(|(name, field)| {
            let members = values.iter().filter_map(|value| value.get(name));
            let found: Vec<&Value> = members.flat_map(through_lists).collect();
            match field {
                Field::Inside(pattern) => pattern.matches_any(&found),
                Field::OneOf(matchers) => matchers.iter().any(|matcher| matcher.matches(&found)),
            }
        })
    }
}

fn described_path(path: &str) -> &str {
    if path.is_empty() { "it" } else { path }
}

fn through_lists(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(through_lists).collect(),
        single => vec![single],
    }
}

impl Matcher {
    fn read(value: &Value, path: &str) -> Result<Self, String> {
        let refused = || {
            Err(format!(
                "{path}: {value} is not supported by the local platform"
            ))
        };
        let Value::Object(operator) = value else {
            return match value {
                Value::Array(_) => refused(),
                exact => Ok(Self::Equals(exact.clone())),
            };
        };
        let mut operators = operator.iter();
        let (Some((name, operand)), None) = (operators.next(), operators.next()) else {
            return refused();
        };
        match (name.as_str(), operand) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("equals-ignore-case", Value::String(text)) => {
                Ok(Self::EqualsIgnoringCase(text.to_lowercase()))
            }
            ("exists", Value::Bool(wanted)) => Ok(Self::Exists(*wanted)),
            ("anything-but", Value::Array(values)) if !values.is_empty() => {
                let simple = values
                    .iter()
                    .all(|value| value.is_string() || value.is_number());
                if !simple {
                    return refused();
                }
                Ok(Self::AnythingBut(
                    values.iter().cloned().map(Self::Equals).collect(),
                ))
            }
            ("anything-but", Value::String(_) | Value::Number(_)) => {
                Ok(Self::AnythingBut(vec![Self::Equals(operand.clone())]))
            }
            ("anything-but", Value::Object(_)) => match Self::read(operand, path)? {
                inner @ (Self::Prefix(_) | Self::Suffix(_)) => Ok(Self::AnythingBut(vec![inner])),
                _ => refused(),
            },
            _ => refused(),
        }
    }

    /// `found` contains everything at the path of the pattern. Objects are not values.
    fn matches(&self, found: &[&Value]) -> bool {
        let mut values = found.iter().filter(|value| !value.is_object());
        match self {
            Self::Exists(wanted) => values.next().is_some() == *wanted,
            one => values.any(|value| one.matches_value(value)),
        }
    }

    fn matches_value(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(wanted) => value == wanted,
            Self::EqualsIgnoringCase(wanted) => {
                text.is_some_and(|text| text.to_lowercase() == *wanted)
            }
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::AnythingBut(unwanted) => !unwanted.iter().any(|one| one.matches_value(value)),
            Self::Exists(wanted) => *wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Value {
        json!({
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": { "PK": { "S": "EXPERIMENT#checkout" } },
                "NewImage": { "count": { "N": "3" }, "tags": { "SS": ["red", "blue"] }, "gone": { "NULL": true } },
            },
        })
    }

    fn matches(pattern: &Value) -> bool {
        let pattern = Pattern::parse(&pattern.to_string()).unwrap();
        pattern.matches(&record())
    }

    #[test]
    fn all_fields_must_match_and_one_value_of_each_is_enough() {
        assert!(matches(&json!({ "eventName": ["INSERT", "MODIFY"] })));
        assert!(!matches(&json!({ "eventName": ["REMOVE"] })));
        assert!(!matches(&json!({ "eventName": ["insert"] })));
        let nested = |name: &str, count: Value| json!({ "eventName": [name], "dynamodb": { "NewImage": { "count": { "N": [count] } } } });
        assert!(matches(&nested("INSERT", json!("3"))));
        assert!(!matches(&nested("REMOVE", json!("3"))));
        assert!(
            !matches(&nested("INSERT", json!(3))),
            "stream records contain numbers as strings"
        );
        assert!(matches(
            &json!({ "dynamodb": { "NewImage": { "gone": { "NULL": [true] } } } })
        ));
        assert!(!matches(
            &json!({ "dynamodb": { "OldImage": { "count": { "N": ["3"] } } } })
        ));
    }

    #[test]
    fn one_member_of_a_set_is_enough() {
        let tagged = |tag: &str| json!({ "dynamodb": { "NewImage": { "tags": { "SS": [tag] } } } });
        assert!(matches(&tagged("blue")));
        assert!(!matches(&tagged("green")));
    }

    #[test]
    fn operators_compare_the_value() {
        let key =
            |operator: Value| json!({ "dynamodb": { "Keys": { "PK": { "S": [operator] } } } });
        assert!(matches(&key(json!({ "prefix": "EXPERIMENT#" }))));
        assert!(!matches(&key(json!({ "prefix": "EVENT#" }))));
        assert!(matches(&key(json!({ "suffix": "checkout" }))));
        assert!(!matches(&key(json!({ "suffix": "x" }))));
        assert!(matches(&key(
            json!({ "equals-ignore-case": "experiment#CHECKOUT" })
        )));
        assert!(!matches(&key(
            json!({ "equals-ignore-case": "experiment" })
        )));
        assert!(matches(&key(json!({ "anything-but": "EXPERIMENT#other" }))));
        assert!(!matches(&key(
            json!({ "anything-but": ["a", "EXPERIMENT#checkout"] })
        )));
        assert!(!matches(&key(
            json!({ "anything-but": { "prefix": "EXP" } })
        )));
        assert!(matches(&key(
            json!({ "anything-but": { "suffix": "EXP" } })
        )));
    }

    #[test]
    fn a_missing_value_is_not_anything_but() {
        let pattern =
            json!({ "dynamodb": { "NewImage": { "other": { "S": [{ "anything-but": "x" }] } } } });
        assert!(!matches(&pattern));
    }

    #[test]
    fn exists_asks_for_a_value_and_not_for_an_object() {
        let count = |exists: bool| json!({ "dynamodb": { "NewImage": { "count": { "N": [{ "exists": exists }] } } } });
        assert!(matches(&count(true)));
        assert!(!matches(&count(false)));
        let absent = |exists: bool| json!({ "userIdentity": { "type": [{ "exists": exists }] } });
        assert!(!matches(&absent(true)));
        assert!(matches(&absent(false)));
        assert!(!matches(&json!({ "dynamodb": [{ "exists": true }] })));
    }

    #[test]
    fn unsupported_patterns_are_refused_with_their_path() {
        for (pattern, said) in [
            ("nonsense", "it is malformed JSON"),
            ("[]", "it must be an object"),
            ("{}", "it is empty"),
            (r#"{"dynamodb":{}}"#, "dynamodb is empty"),
            (
                r#"{"eventName":"INSERT"}"#,
                "eventName must be an object or a list of values",
            ),
            (
                r#"{"eventName":[]}"#,
                "eventName must be an object or a list of values",
            ),
            (
                r#"{"$or":[{"eventName":["INSERT"]}]}"#,
                "$or is not supported",
            ),
            (
                r#"{"dynamodb":{"SizeBytes":[{"numeric":[">",5]}]}}"#,
                r#"dynamodb.SizeBytes: {"numeric":[">",5]} is not supported"#,
            ),
            (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "is not supported"),
            (r#"{"a":[{"prefix":5}]}"#, "is not supported"),
            (r#"{"a":[{"anything-but":[]}]}"#, "is not supported"),
            (
                r#"{"a":[{"anything-but":{"exists":true}}]}"#,
                "is not supported",
            ),
            (r#"{"a":[["x"]]}"#, "is not supported"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(said), "{pattern}: {error}");
        }
    }
}
