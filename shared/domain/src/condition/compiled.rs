//! A compiled condition, its operators, and its evaluation.

use super::javascript::{compare_texts, is_truthy, number, same_json, text};
use super::pattern::Pattern;
use super::scalar::{Scalar, ScalarSet};
use super::segment_tests::SegmentTests;
use super::version;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Clauses that must all hold.
#[derive(Debug, Clone)]
pub(super) struct AllOf(pub(super) Vec<Clause>);

/// A clause of a condition.
#[derive(Debug, Clone)]
pub(super) enum Clause {
    /// `$or`; it holds if it is empty.
    Any(Vec<AllOf>),
    /// `$nor`; it fails if it is empty.
    NotAny(Vec<AllOf>),
    /// `$and`
    All(Vec<AllOf>),
    /// `$not`
    Not(AllOf),
    /// `$savedGroups`: the user is in all of these segments
    Segments(Vec<Box<str>>),
    /// The value at a path of names.
    Attribute {
        path: Vec<Box<str>>,
        expected: Expected,
    },
}

/// What is expected of one value.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// Its text is this one.
    Text(Box<str>),
    /// It is this number, also as text.
    Number(f64),
    /// It is not null and counts as this.
    Boolean(bool),
    /// It is null or missing.
    Null,
    /// It is this array or object.
    Literal(Value),
    /// All of these hold.
    Operators(Vec<Operator>),
}

impl AllOf {
    pub(super) fn matches(&self, value: &Value, segments: &dyn SegmentTests) -> bool {
        self.0.iter().all(|clause| clause.holds(value, segments))
    }
}

impl Clause {
    fn holds(&self, value: &Value, segments: &dyn SegmentTests) -> bool {
        let matches = |condition: &AllOf| condition.matches(value, segments);
        match self {
            Self::Any(conditions) => conditions.is_empty() || conditions.iter().any(matches),
            Self::NotAny(conditions) => !conditions.is_empty() && !conditions.iter().any(matches),
            Self::All(conditions) => conditions.iter().all(matches),
            Self::Not(condition) => !matches(condition),
            Self::Segments(names) => names.iter().all(|name| segments.includes(name, value)),
            Self::Attribute { path, expected } => expected.matches(&at(value, path), segments),
        }
    }
}

impl Expected {
    pub(super) fn matches(&self, value: &Value, segments: &dyn SegmentTests) -> bool {
        match self {
            Self::Text(expected) => text(value) == **expected,
            Self::Number(expected) => number(value) == *expected,
            Self::Boolean(expected) => !value.is_null() && is_truthy(value) == *expected,
            Self::Null => value.is_null(),
            Self::Literal(expected) => same_json(value, expected),
            Self::Operators(operators) => operators
                .iter()
                .all(|operator| operator.holds(value, segments)),
        }
    }

    /// The same with texts compared in lower case. Only a text itself is, not one inside an operator.
    pub(super) fn matches_in_any_case(&self, value: &Value, segments: &dyn SegmentTests) -> bool {
        match self {
            Self::Text(expected) => text(value).to_lowercase() == expected.to_lowercase(),
            other => other.matches(value, segments),
        }
    }
}

/// The value at a path; null if there is none. In an array, a name is an index, or `length`.
pub(super) fn at<'v>(mut value: &'v Value, path: &[Box<str>]) -> Cow<'v, Value> {
    for (index, name) in path.iter().enumerate() {
        let inner = match value {
            Value::Object(fields) => fields.get(&**name),
            Value::Array(elements) if **name == *"length" => {
                let is_last = index + 1 == path.len();
                let length = if is_last {
                    elements.len().into()
                } else {
                    Value::Null
                };
                return Cow::Owned(length);
            }
            Value::Array(elements) => index_of(name).and_then(|index| elements.get(index)),
            _ => None,
        };
        let Some(inner) = inner else {
            return Cow::Owned(Value::Null);
        };
        value = inner;
    }
    Cow::Borrowed(value)
}

/// A name as an index, written without leading zeros or sign.
fn index_of(name: &str) -> Option<usize> {
    let index = name.parse().ok()?;
    (name.len() == 1 || !name.starts_with(['0', '+'])).then_some(index)
}

/// A test of the order of two values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A type of JSON values, by its name in conditions.
pub(super) const TYPES: [&str; 6] = ["string", "number", "boolean", "array", "object", "null"];

/// A test of one value.
#[derive(Debug, Clone)]
pub(super) enum Operator {
    /// `$veq`, `$vne`, `$vgt`, `$vgte`, `$vlt`, `$vlte`, with the sortable text of the version.
    Version(Comparison, Box<str>),
    /// `$eq`
    Equal(Scalar),
    /// `$ne`
    NotEqual(Scalar),
    /// `$lt`, `$lte`, `$gt`, `$gte`
    Order(Comparison, Scalar),
    /// `$exists`
    Exists(bool),
    /// `$in`, `$ini`
    In(ScalarSet),
    /// `$nin`, `$nini`
    NotIn(ScalarSet),
    /// `$inGroup`
    InSegment(Box<str>),
    /// `$notInGroup`
    NotInSegment(Box<str>),
    /// `$not`
    Not(Box<Expected>),
    /// `$size`
    Size(Box<Expected>),
    /// `$elemMatch` with operators
    ElementIs(Box<Expected>),
    /// `$elemMatch` with a condition
    ElementMatches(AllOf),
    /// `$all`
    All(Vec<Expected>),
    /// `$alli`
    AllInAnyCase(Vec<Expected>),
    /// `$regex`, `$regexi`
    Pattern(Pattern),
    /// `$type`
    Type(&'static str),
}

impl Comparison {
    fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Operator {
    pub(super) fn holds(&self, value: &Value, segments: &dyn SegmentTests) -> bool {
        match self {
            Self::Version(comparison, version) => {
                let own = version::sortable(value);
                comparison.fits(compare_texts(&own, version))
            }
            Self::Equal(scalar) => scalar.equals(value),
            Self::NotEqual(scalar) => !scalar.equals(value),
            Self::Order(comparison, scalar) => scalar
                .order_of(value)
                .is_some_and(|order| comparison.fits(order)),
            Self::Exists(exists) => *exists != value.is_null(),
            Self::In(set) => set.intersects(value),
            Self::NotIn(set) => !set.intersects(value),
            Self::InSegment(name) => segments.list_contains(name, value),
            Self::NotInSegment(name) => !segments.list_contains(name, value),
            Self::Not(expected) => !expected.matches(value, segments),
            Self::Size(expected) => value
                .as_array()
                .is_some_and(|elements| expected.matches(&elements.len().into(), segments)),
            Self::ElementIs(expected) => any_element(value, |element| {
                !element.is_null() && expected.matches(element, segments)
            }),
            Self::ElementMatches(condition) => any_element(value, |element| {
                !element.is_null() && condition.matches(element, segments)
            }),
            Self::All(expected) => each_is_in(expected, value, |expected, element| {
                expected.matches(element, segments)
            }),
            Self::AllInAnyCase(expected) => each_is_in(expected, value, |expected, element| {
                expected.matches_in_any_case(element, segments)
            }),
            Self::Pattern(pattern) => pattern.is_match(&text(value)),
            Self::Type(name) => type_name(value) == *name,
        }
    }
}

fn any_element(value: &Value, test: impl Fn(&Value) -> bool) -> bool {
    let elements = value.as_array();
    elements.is_some_and(|elements| elements.iter().any(test))
}

/// Whether the value is an array in which each expectation is met by an element.
fn each_is_in(
    expected: &[Expected],
    value: &Value,
    test: impl Fn(&Expected, &Value) -> bool,
) -> bool {
    value.is_array()
        && expected
            .iter()
            .all(|expected| any_element(value, |element| test(expected, element)))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    }
}
