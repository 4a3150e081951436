//! Versions as texts whose order is the order of the versions, as in GrowthBook's SDKs.

use super::javascript::number_text;
use serde_json::Value;

/// The width to which numbers of a version are padded.
const WIDTH: usize = 5;

/// The sortable text of an attribute; of version 0 if it is neither a number nor a text.
pub(super) fn sortable(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => sortable_text(text),
        Value::Number(number) => sortable_text(&number_text(number.as_f64().unwrap_or_default())),
        _ => sortable_text("0"),
    }
}

/// The sortable text of a version, without its leading `v` and its build. Numbers are padded with spaces on the left, so
/// that 9 is before 10. A version of three parts has no pre-release and gets `~` as a fourth part: it is the largest ASCII
/// character, so the release is after its pre-releases.
pub(super) fn sortable_text(version: &str) -> String {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('+').next().unwrap_or_default();
    let mut sortable = String::with_capacity(version.len() + 4 * WIDTH);
    let mut parts = 0;
    for part in version.split(['-', '.']) {
        if parts > 0 {
            sortable.push('-');
        }
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            for _ in part.len()..WIDTH {
                sortable.push(' ');
            }
        }
        sortable.push_str(part);
        parts += 1;
    }
    if parts == 3 {
        sortable.push_str("-~");
    }
    sortable
}
