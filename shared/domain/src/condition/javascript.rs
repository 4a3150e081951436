//! Conversions and comparisons of JSON values as JavaScript does them.
//!
//! Source: the abstract operations of ECMA-262 (`ToString`, `ToNumber`, `ToBoolean`, `IsLessThan`, `Number::toString`).

use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value as text: `String(value)`.
pub fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "null".into(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::Number(_) => number_text(number(value)).into(),
        Value::String(text) => text.into(),
        Value::Array(elements) => {
            let elements = elements.iter().map(|element| match element {
                Value::Null => Cow::Borrowed(""),
                element => text(element),
            });
            elements.collect::<Vec<_>>().join(",").into()
        }
        Value::Object(_) => "[object Object]".into(),
    }
}

/// A finite number as text: the shortest digits that give the number again, with an exponent from 1e21 on and below 1e-6.
pub fn number_text(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// A value as a number: `Number(value)`. NaN if it is none.
pub(super) fn number(value: &Value) -> f64 {
    match value {
        Value::Null | Value::Bool(false) => 0.0,
        Value::Bool(true) => 1.0,
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => number_of_text(text),
        Value::Array(_) => number_of_text(&text(value)),
        Value::Object(_) => f64::NAN,
    }
}

/// A text as a number; a text of spaces is 0.
pub(super) fn number_of_text(text: &str) -> f64 {
    let text = text.trim();
    let radix = |radix| {
        let digits = text.get(2..).unwrap_or_default();
        Some(digits)
            .filter(|digits| !digits.starts_with('+'))
            .and_then(|digits| u64::from_str_radix(digits, radix).ok())
            .map_or(f64::NAN, |number| {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "JavaScript's numbers are of this kind"
                )]
                let number = number as f64;
                number
            })
    };
    match text.as_bytes() {
        [] => 0.0,
        [b'0', b'x' | b'X', ..] => radix(16),
        [b'0', b'o' | b'O', ..] => radix(8),
        [b'0', b'b' | b'B', ..] => radix(2),
        bytes
            if bytes
                .iter()
                .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte)) =>
        {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => match text {
            "Infinity" | "+Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => f64::NAN,
        },
    }
}

/// Whether a value counts as true.
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(_) => number(value) != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The order of two texts: by UTF-16 code units.
pub(super) fn compare_texts(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

/// Whether two values have the same JSON text. The order of the names of an object does not matter here, unlike in
/// `JSON.stringify`.
pub(super) fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => number(a) == number(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| same_json(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Expected values are those that Node.js prints for `String(value)`.
    #[test]
    fn values_become_text_as_in_javascript() {
        for (value, expected) in [
            (json!(1.0), "1"),
            (json!(-0.0), "0"),
            (json!(0.1), "0.1"),
            (json!(1e21), "1e+21"),
            (json!(1.5e300), "1.5e+300"),
            (
                json!(123_456_789_012_345_680_000.0),
                "123456789012345680000",
            ),
            (json!(0.000_001), "0.000001"),
            (json!(0.000_000_1), "1e-7"),
            (json!(-2.5e-9), "-2.5e-9"),
            (json!(9_007_199_254_740_993_u64), "9007199254740992"),
            (json!([1, null, "a", [2, 3]]), "1,,a,2,3"),
            (json!({"a": 1}), "[object Object]"),
            (json!(null), "null"),
            (json!(true), "true"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    /// Expected values are those that Node.js prints for `Number(value)`.
    #[test]
    fn values_become_numbers_as_in_javascript() {
        for (value, expected) in [
            (json!(" 12 "), 12.0),
            (json!(""), 0.0),
            (json!("5."), 5.0),
            (json!(".5"), 0.5),
            (json!("+5e3"), 5000.0),
            (json!("0x1F"), 31.0),
            (json!("0b11"), 3.0),
            (json!("-Infinity"), f64::NEG_INFINITY),
            (json!([]), 0.0),
            (json!(["7"]), 7.0),
            (json!(null), 0.0),
            (json!(true), 1.0),
        ] {
            assert_eq!(number(&value), expected, "{value}");
        }
        for value in [
            json!("inf"),
            json!("NaN"),
            json!("1_000"),
            json!("12px"),
            json!("0x"),
            json!("-0x1"),
            json!("0x+1"),
            json!("e"),
            json!([1, 2]),
            json!({}),
        ] {
            assert!(number(&value).is_nan(), "{value}");
        }
    }

    #[test]
    fn texts_are_ordered_by_utf16_units() {
        assert_eq!(compare_texts("a", "b"), Ordering::Less);
        // U+1F600 is the units D83D DE00, which are before U+FF5E.
        assert_eq!(compare_texts("\u{1F600}", "\u{FF5E}"), Ordering::Less);
    }
}
