//! Words and numbers. A number is shown rounded, and has the API's own digits in its `value`.

use domain::prose::{grouped, percent, plain};
use maud::{Markup, Render, html};
use serde_json::Value;

/// What stands where a number is missing.
pub(crate) const NONE: &str = "–";

/// A text of the API; empty if it is missing.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list; none if it is missing.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A number with the words that show it.
fn number(value: &Value, shown: impl Render) -> Markup {
    html! { data value=(value) { (shown) } }
}

/// A whole number with separators.
pub(crate) fn count(value: &Value) -> Markup {
    match value.as_u64() {
        Some(whole) => number(value, grouped(whole)),
        None => amount(value),
    }
}

/// A number with four significant digits, or to the next whole number with separators if it has more of them.
pub(crate) fn amount(value: &Value) -> Markup {
    match value.as_f64() {
        Some(float) if (1_000.0..1e15).contains(&float) => number(value, whole(float)),
        Some(float) => number(value, plain(float)),
        None => html! { (NONE) },
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1,000 and 1e15"
)]
fn whole(float: f64) -> String {
    grouped(float.round() as u64)
}

/// A share as a percentage with a sign: 0.05 as +5.0%.
pub(crate) fn lift(value: &Value) -> Markup {
    match value.as_f64() {
        Some(share) => number(value, percent(share)),
        None => html! { (NONE) },
    }
}

/// A share as a percentage without a sign. What is not certain is not shown as 100%.
pub(crate) fn share(value: &Value) -> Markup {
    match value.as_f64() {
        Some(share) if share > 0.999 && share < 1.0 => number(value, "> 99.9%"),
        Some(share) => number(value, percent(share).trim_start_matches('+')),
        None => html! { (NONE) },
    }
}

/// A number that is a percentage already, such as a weight.
pub(crate) fn percentage(value: &Value) -> Markup {
    html! { (amount(value)) "%" }
}

/// A p-value: three digits after the point, or less than the smallest of them.
pub(crate) fn p_value(value: &Value) -> Markup {
    match value.as_f64() {
        Some(p) if p < 0.001 => number(value, "< 0.001"),
        Some(p) => number(value, format!("{p:.3}")),
        None => html! { (NONE) },
    }
}

/// A lift with its interval.
pub(crate) fn interval(bounds: &Value) -> Markup {
    if bounds["estimate"].is_null() {
        return html! { (NONE) };
    }
    html! {
        span.nowrap { b { (lift(&bounds["estimate"])) } }
        " " span.nowrap.faint { "(" (lift(&bounds["ci_lower"])) " to " (lift(&bounds["ci_upper"])) ")" }
    }
}

/// The mean of a metric: a percentage for a conversion.
pub(crate) fn mean(metric: &Value, value: &Value) -> Markup {
    match text(&metric["kind"]) {
        "conversion" => share(value),
        _ => amount(value),
    }
}

/// An instant, to the minute. HTML allows milliseconds in its attribute.
pub(crate) fn time(value: &Value) -> Markup {
    let exact = text(value);
    match (exact.get(..16), exact.get(..23)) {
        (Some(minute), Some(milliseconds)) => html! {
            time datetime={ (milliseconds) "Z" } { (minute.replace('T', " ")) " UTC" }
        },
        _ => html! { (NONE) },
    }
}

/// A sentence of the API. Names between backticks are code, as the API writes them. Marks that turn the direction of writing
/// are left out: in a name, they would turn the rest of the sentence.
pub(crate) fn sentence(text: &str) -> Markup {
    let turns = |mark: char| matches!(mark, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace(turns, "");
    let parts = text.split('`').enumerate();
    html! {
        @for (place, part) in parts {
            @if place % 2 == 1 { code dir="auto" { (part) } } @else { (part) }
        }
    }
}

/// A name that a user chose: it keeps its own direction of writing.
pub(crate) fn name(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// The name of a metric, or else its key.
pub(crate) fn metric_name(metric: &Value) -> Markup {
    match metric["name"].as_str() {
        Some(own) => name(own),
        None => name(text(&metric["key"])),
    }
}

/// A value of the API as words: `not_enough_data` as "not enough data".
pub(crate) fn words(value: &Value) -> String {
    text(value).replace('_', " ")
}

/// A word in a frame, with a colour by its meaning. The word says the same as the colour.
pub(crate) fn badge(value: &Value) -> Markup {
    let tone = match text(value) {
        "ship" | "better" | "running" | "ok" | "won" | "on" => "good",
        "stop" | "worse" | "lost" | "off" => "bad",
        "do_not_trust" | "mismatch" | "invalid" | "sample_ratio_mismatch" => "alarm",
        "guardrail_worse" => "bad",
        "paused" | "not_enough_data" | "stopped_early" | "ramp_held" => "warn",
        _ => "neutral",
    };
    let mut shown = words(value);
    if let Some(first) = shown.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    html! { span class={ "badge " (tone) } { (shown) } }
}

/// JSON with indents, for readers.
pub(crate) fn json(value: &Value) -> Markup {
    let shown = serde_json::to_string_pretty(value).unwrap_or_default();
    html! { pre tabindex="0" { code { (shown) } } }
}

/// JSON in one line, for a cell of a table.
pub(crate) fn compact(value: &Value) -> Markup {
    match value {
        Value::Null => html! { (NONE) },
        Value::String(text) => html! { bdi { (text) } },
        other => html! { code { (other.to_string()) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_keeps_the_digits_of_the_api() {
        let html = lift(&json!(0.5182952341686137)).into_string();
        assert_eq!(html, r#"<data value="0.5182952341686137">+51.8%</data>"#);
        assert_eq!(
            count(&json!(165_801)).into_string(),
            r#"<data value="165801">165,801</data>"#
        );
        assert_eq!(count(&Value::Null).into_string(), NONE);
        assert!(
            amount(&json!(6561.8))
                .into_string()
                .ends_with(">6,562</data>")
        );
        assert!(share(&json!(0.9997)).into_string().contains("&gt; 99.9%"));
        assert!(p_value(&json!(1e-12)).into_string().contains("&lt; 0.001"));
    }

    #[test]
    fn names_are_text_and_code_in_sentences_is_marked() {
        let html = sentence("Ship `<b>green</b>`: better.").into_string();
        let code = r#"<code dir="auto">&lt;b&gt;green&lt;/b&gt;</code>"#;
        assert_eq!(html, format!("Ship {code}: better."));
        assert_eq!(sentence("a\u{202e}b").into_string(), "ab");
        let hostile = name("\"><script>alert(1)</script>").into_string();
        assert!(!hostile.contains("<script>"), "{hostile}");
    }

    #[test]
    fn a_badge_has_the_word_that_its_colour_stands_for() {
        let html = badge(&json!("do_not_trust")).into_string();
        assert_eq!(html, r#"<span class="badge alarm">Do not trust</span>"#);
    }
}
