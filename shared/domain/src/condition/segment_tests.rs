//! What a condition asks about segments.

use serde_json::Value;

/// Answers to the questions of a condition that names segments.
pub trait SegmentTests {
    /// Whether an id list contains the value, or an element of it: `$inGroup`.
    fn list_contains(&self, list: &str, value: &Value) -> bool;

    /// Whether a user with these attributes is in a segment: `$savedGroups`.
    fn includes(&self, segment: &str, attributes: &Value) -> bool;
}

/// No segments: none contains a user.
#[derive(Debug, Clone, Copy)]
pub struct NoSegments;

impl SegmentTests for NoSegments {
    fn list_contains(&self, _: &str, _: &Value) -> bool {
        false
    }

    fn includes(&self, _: &str, _: &Value) -> bool {
        false
    }
}
