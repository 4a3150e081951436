//! Targeting conditions: GrowthBook's condition language.
//!
//! A condition is checked and compiled once, when a definition is read. It compares values as the JavaScript SDK does, so
//! that this service and the SDKs target the same users. The published test cases of the SDKs cover it.

mod compile;
mod compiled;
mod javascript;
mod pattern;
mod scalar;
mod segment_lists;
mod version;

pub use javascript::{number_text, text as javascript_text};
pub use segment_lists::SegmentLists;

use super::Invalid;
use compiled::AllOf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A condition on the attributes of a user, valid and compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Condition {
    /// As the caller wrote it.
    source: Value,
    compiled: AllOf,
    segments: Vec<SegmentUse>,
    patterns: usize,
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
}

impl Condition {
    /// Checks and compiles a condition.
    ///
    /// # Errors
    /// Every fault with its place.
    pub fn compile(source: Value) -> Result<Self, Vec<ConditionFault>> {
        let checked = compile::compile(&source)?;
        Ok(Self {
            source,
            compiled: checked.compiled,
            segments: checked.segments,
            patterns: checked.patterns,
        })
    }

    /// Whether a user with these attributes is targeted. `attributes` is an object.
    pub fn matches(&self, attributes: &Value, segments: &SegmentLists) -> bool {
        self.compiled.matches(attributes, segments)
    }

    /// The number of its regular expressions. A compiled one takes up to [`crate::limits::MAX_PATTERN_BYTES`] of memory.
    pub fn patterns(&self) -> usize {
        self.patterns
    }

    /// The segments that the condition names.
    pub fn segments(&self) -> &[SegmentUse] {
        &self.segments
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl TryFrom<Value> for Condition {
    type Error = Invalid;
    fn try_from(source: Value) -> Result<Self, Invalid> {
        Self::compile(source).map_err(|mut faults| faults.remove(0).why)
    }
}

impl From<Condition> for Value {
    fn from(condition: Condition) -> Self {
        condition.source
    }
}

#[cfg(test)]
mod tests;
