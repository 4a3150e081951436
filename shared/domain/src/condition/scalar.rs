//! Scalars of a condition, and sets of them.

use super::javascript::{compare_texts, number, number_of_text, text};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashSet;

/// A JSON value without parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Boolean(bool),
    Number(f64),
    Text(Box<str>),
}

impl Scalar {
    /// The scalar; none for an array or an object.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::Number(_) => Some(Self::Number(number(value))),
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Strict equality, `===`.
    pub(super) fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Boolean(a), Value::Bool(b)) => a == b,
            (Self::Number(a), Value::Number(_)) => *a == number(value),
            (Self::Text(a), Value::String(b)) => **a == **b,
            _ => false,
        }
    }

    /// The order of a value and this scalar: two texts are compared as texts, and all others as numbers. None if one of
    /// them is not a number.
    pub(super) fn order_of(&self, value: &Value) -> Option<Ordering> {
        // Arrays and objects are compared by their text.
        let value_text = match value {
            Value::String(_) | Value::Array(_) | Value::Object(_) => Some(text(value)),
            _ => None,
        };
        if let (Self::Text(own), Some(value)) = (self, &value_text) {
            return Some(compare_texts(value, own));
        }
        let own = match self {
            Self::Null => 0.0,
            Self::Boolean(value) => f64::from(*value),
            Self::Number(number) => *number,
            Self::Text(text) => number_of_text(text),
        };
        value_text
            .map_or_else(|| number(value), |text| number_of_text(&text))
            .partial_cmp(&own)
    }
}

/// A set of scalars.
#[derive(Debug, Clone, Default)]
pub(super) struct ScalarSet {
    texts: HashSet<Box<str>>,
    others: Vec<Scalar>,
    ignores_case: bool,
}

impl ScalarSet {
    pub(super) fn new(scalars: impl IntoIterator<Item = Scalar>, ignores_case: bool) -> Self {
        let mut set = Self {
            ignores_case,
            ..Self::default()
        };
        for scalar in scalars {
            match scalar {
                Scalar::Text(text) if ignores_case => {
                    set.texts.insert(text.to_lowercase().into());
                }
                Scalar::Text(text) => {
                    set.texts.insert(text);
                }
                other if set.others.contains(&other) => {}
                other => set.others.push(other),
            }
        }
        set
    }

    /// Whether it contains the value, or an element of the value if that is an array.
    pub(super) fn intersects(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| self.contains(element)),
            value => self.contains(value),
        }
    }

    fn contains(&self, value: &Value) -> bool {
        match value {
            Value::String(text) if self.ignores_case => {
                self.texts.contains(text.to_lowercase().as_str())
            }
            Value::String(text) => self.texts.contains(text.as_str()),
            value => self.others.iter().any(|own| own.equals(value)),
        }
    }
}
