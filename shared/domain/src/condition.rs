//! Targeting conditions: GrowthBook's condition language.
//!
//! A condition is checked and compiled when it is created, and once more by each process that evaluates it: a stored one is
//! compiled at its first use. It compares values as the JavaScript SDK does, so
//! that this service and the SDKs target the same users. The published test cases of the SDKs cover it.

mod compile;
mod compiled;
mod javascript;
mod pattern;
mod scalar;
mod segment_tests;
mod version;

pub(super) use javascript::is_truthy;
pub use javascript::{number_text, text as javascript_text};
pub use segment_tests::{NoSegments, SegmentTests};

use super::Invalid;
use compile::{Bounds, Checked};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// A condition on the attributes of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct Condition {
    /// As the caller wrote it.
    source: Value,
    /// The compiled condition; the inner none if it has a fault. Many readers of a definition never evaluate it.
    checked: OnceLock<Option<Arc<Checked>>>,
}

/// A fault of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionFault {
    /// JSON pointer from the root of the condition.
    pub pointer: String,
    /// The fault.
    pub why: Invalid,
}

/// The place in a condition that names a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentUse {
    /// JSON pointer from the root of the condition.
    pub pointer: String,
    /// The name of the segment.
    pub name: String,
    /// Whether it must be an id list.
    pub needs_list: bool,
}

impl SegmentUse {
    /// The operators that name segments.
    pub const OPERATORS: [&str; 3] = ["$inGroup", "$notInGroup", "$savedGroups"];
}

impl Condition {
    /// Checks and compiles a condition.
    ///
    /// # Errors
    /// Every fault with its place.
    pub fn compile(source: Value) -> Result<Self, Vec<ConditionFault>> {
        let checked = Arc::new(compile::compile(&source, Bounds::WRITTEN)?);
        Ok(Self {
            source,
            checked: OnceLock::from(Some(checked)),
        })
    }

    /// Compiles a condition that is made of several, so it may be larger. With a fault, it targets no user.
    pub(super) fn joined(source: Value) -> Self {
        let checked = compile::compile(&source, Bounds::JOINED).ok().map(Arc::new);
        Self {
            source,
            checked: OnceLock::from(checked),
        }
    }

    /// As the caller wrote it.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Whether it can be evaluated: a stored one may be damaged.
    pub fn is_valid(&self) -> bool {
        self.checked().is_some()
    }

    fn checked(&self) -> Option<&Checked> {
        let compile = || {
            let checked = compile::compile(&self.source, Bounds::WRITTEN);
            checked.ok().map(Arc::new)
        };
        self.checked.get_or_init(compile).as_deref()
    }

    /// Whether a user with these attributes is targeted. `attributes` is an object. A damaged condition targets no user.
    pub fn matches(&self, attributes: &Value, segments: &dyn SegmentTests) -> bool {
        self.checked()
            .is_some_and(|checked| checked.compiled.matches(attributes, segments))
    }

    /// The number of its regular expressions. A compiled one takes up to [`crate::limits::MAX_PATTERN_BYTES`] of memory.
    pub fn patterns(&self) -> usize {
        self.checked().map_or(0, |checked| checked.patterns)
    }

    /// The names of the attributes that the condition reads, without those of the segments that it names. Of a path such as
    /// `company.id`, the first name.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        note_attributes(&self.source, &mut names);
        names
    }

    /// The segments that the condition names.
    pub fn segments(&self) -> &[SegmentUse] {
        self.checked().map_or(&[], |checked| &checked.segments)
    }
}

/// Notes the attributes of a condition. Its depth is bounded, so the recursion is.
fn note_attributes<'c>(condition: &'c Value, names: &mut BTreeSet<&'c str>) {
    for (name, value) in condition.as_object().into_iter().flatten() {
        match (name.starts_with('$'), value) {
            (false, _) => {
                names.extend(name.split('.').next());
            }
            (true, Value::Array(parts)) => {
                parts.iter().for_each(|part| note_attributes(part, names));
            }
            (true, part) => note_attributes(part, names),
        }
    }
}

/// The value at a path of names; null if there is none. In an array, a name is an index, or `length`.
pub fn value_at<'v>(attributes: &'v Value, path: &[Box<str>]) -> Cow<'v, Value> {
    compiled::at(attributes, path)
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl From<Value> for Condition {
    fn from(source: Value) -> Self {
        Self {
            source,
            checked: OnceLock::new(),
        }
    }
}

impl From<Condition> for Value {
    fn from(condition: Condition) -> Self {
        condition.source
    }
}

#[cfg(test)]
mod tests;
