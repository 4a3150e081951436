//! The size of what a function gets and returns.

use serde_json::Value;

/// Maximum bytes of JSON in the request and in the response of a synchronous call.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// The size of a value as JSON, if it is larger than a payload may be. Nearly all payloads are so small that they need not be
/// written to know it.
pub(super) fn too_large(value: &Value) -> Option<usize> {
    if json_size_at_most(value) <= MAX_PAYLOAD_BYTES {
        return None;
    }
    Some(json_size(value)).filter(|size| *size > MAX_PAYLOAD_BYTES)
}

/// A size that the value as JSON does not exceed.
fn json_size_at_most(value: &Value) -> usize {
    // Quotation marks, and `\u001f` for one character.
    let text = |text: &str| text.len() * 6 + 2;
    match value {
        // A number has at most 24 characters, such as `-2.2250738585072014e-308`.
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        Value::String(string) => text(string),
        Value::Array(items) => {
            let items = items.iter().map(|item| json_size_at_most(item) + 1);
            items.sum::<usize>() + 2
        }
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, member)| text(name) + json_size_at_most(member) + 2);
            members.sum::<usize>() + 2
        }
    }
}

/// Number of bytes of the value as JSON, counted without building the text.
pub(crate) fn json_size(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Writing to the counter cannot fail, and a `Value` can always be serialized.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_value_is_too_large_from_the_first_byte_beyond_the_limit() {
        for character in ["x", "\u{1f}", "é", "\""] {
            let bytes = serde_json::to_string(character).map_or(0, |text| text.len()) - 2;
            let envelope = json_size(&json!({"body": ""}));
            let count = (MAX_PAYLOAD_BYTES - envelope) / bytes;
            let fits = json!({"body": character.repeat(count)});
            assert_eq!(too_large(&fits), None, "{character:?}");
            let larger = json!({"body": character.repeat(count + 1)});
            assert_eq!(
                too_large(&larger),
                Some(json_size(&larger)),
                "{character:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_size_is_never_underestimated(
            text in ".{0,20}", integer in any::<i64>(), number in any::<f64>(), flag in any::<bool>(), copies in 0_usize..4,
        ) {
            let one = json!({&text: [text, integer, number, flag, null_or(flag)], "": {}, "a": []});
            let value = json!(vec![one; copies]);
            prop_assert!(json_size_at_most(&value) >= json_size(&value), "{}", value);
        }
    }

    fn null_or(flag: bool) -> Value {
        if flag {
            Value::Null
        } else {
            json!({"n": u64::MAX})
        }
    }
}
