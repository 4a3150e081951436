//! Any JSON value, with the rules of bodies: no repeated names, and no number that cannot be kept.

use super::{Faults, Node};
use domain::Invalid;
use serde_json::{Map, Value};

impl Node<'_> {
    /// The value itself. The depth of a body is bounded, so the recursion is.
    pub fn value(&self, faults: &mut Faults) -> Option<Value> {
        match self.raw.as_bytes().first() {
            Some(b'{') => self.map(faults).map(Value::Object),
            Some(b'[') => {
                let elements = self.array(faults, usize::MAX)?;
                let values: Vec<_> = elements.iter().map(|node| node.value(faults)).collect();
                values.into_iter().collect::<Option<_>>().map(Value::Array)
            }
            Some(b'"') => self.text(faults, |text| Ok(Value::from(text))),
            _ => {
                let value = serde_json::from_str(self.raw);
                let out_of_range = |_| Invalid::new("out_of_range", "Is not a finite number.");
                self.noted(faults, value.map_err(out_of_range))
            }
        }
    }

    /// The value as an object of any fields.
    pub fn map(&self, faults: &mut Faults) -> Option<Map<String, Value>> {
        let fields = self.object(faults)?.fields;
        let values: Vec<_> = fields
            .into_iter()
            .map(|(name, node)| node.value(faults).map(|value| (name, value)))
            .collect();
        values.into_iter().collect()
    }
}
