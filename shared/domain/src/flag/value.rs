//! The values of a flag's variants.

use super::fault::{Faults, FlagFault};
use crate::json_value::{Place, depth, unstorable};
use crate::limits;
use crate::prose::grouped_size;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a flag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A JSON object.
    Object,
}

impl ValueType {
    /// All types with their names in the API.
    pub const ALL: [(&'static str, Self); 5] = [
        ("boolean", Self::Boolean),
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("object", Self::Object),
    ];

    /// A value as responses write it. The database stores 1.0 as 1, but clients with static types expect a number with a
    /// decimal point.
    pub fn written(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Number, Value::Number(number)) => {
                number.as_f64().map_or_else(|| value.clone(), Value::from)
            }
            _ => value.clone(),
        }
    }

    /// Notes why a value is none of this type, or cannot be stored.
    pub(super) fn check(self, value: &Value, place: &Place, faults: &mut Faults) {
        let (fits, expected) = match self {
            Self::Boolean => (value.is_boolean(), "`true` or `false`"),
            Self::String => (value.is_string(), "a text"),
            Self::Integer => {
                let most = limits::MAX_FLAG_INTEGER;
                let fits = value
                    .as_i64()
                    .is_some_and(|number| (-most..=most).contains(&number));
                (
                    fits,
                    "a whole number of at most 9,007,199,254,740,991, without a decimal point",
                )
            }
            Self::Number => (value.is_number(), "a number"),
            Self::Object => (value.is_object(), "an object"),
        };
        if !fits {
            let detail = format!("Must be {expected}, because of the `value_type` of the flag.");
            faults.add(place, "wrong_type", detail);
            return;
        }
        if depth(value) > limits::MAX_FLAG_VALUE_DEPTH {
            let most = limits::MAX_FLAG_VALUE_DEPTH;
            faults.add(
                place,
                "too_deep",
                format!("May be nested at most {most} levels deep."),
            );
            return;
        }
        let size = value.to_string().len();
        if size > limits::MAX_FLAG_VALUE_BYTES {
            let detail = format!(
                "May have at most {} bytes as compact JSON; this has {}.",
                grouped_size(limits::MAX_FLAG_VALUE_BYTES),
                grouped_size(size)
            );
            faults.add(place, "too_long", detail);
        }
        let unstorable = unstorable(value, place).into_iter();
        faults.extend(unstorable.map(|(pointer, why)| FlagFault { pointer, why }));
        // A prerequisite compares the value in a condition, where these names are operators.
        let names = value
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys());
        for name in names.filter(|name| name.starts_with('$')) {
            let detail = "Names of the outermost object must not begin with `$`: conditions on the value would read them \
                          as operators.";
            faults.add(&place.field(name), "bad_characters", detail);
        }
    }
}
