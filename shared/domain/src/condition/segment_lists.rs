//! The lists of the segments that conditions refer to with `$inGroup` and `$notInGroup`.

use super::scalar::{Scalar, ScalarSet};
use serde_json::Value;
use std::collections::BTreeMap;

/// Lists of values by the name of their segment.
#[derive(Debug, Clone, Default)]
pub struct SegmentLists(BTreeMap<String, ScalarSet>);

impl SegmentLists {
    /// Adds the list of a segment. Arrays and objects in it equal no attribute and are left out.
    pub fn insert<'v>(&mut self, name: String, values: impl IntoIterator<Item = &'v Value>) {
        let scalars = values.into_iter().filter_map(Scalar::of);
        self.0.insert(name, ScalarSet::new(scalars, false));
    }

    /// Whether a segment contains the value, or an element of it. An unknown segment contains nothing.
    pub(super) fn contains(&self, name: &str, value: &Value) -> bool {
        self.0.get(name).is_some_and(|list| list.intersects(value))
    }
}
