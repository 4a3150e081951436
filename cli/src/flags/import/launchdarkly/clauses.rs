//! The clauses of LaunchDarkly's rules as conditions.
//!
//! A clause holds if one of its values fits. It never holds for users without the attribute, even if it is negated.

use super::super::conditions::{Part, any_of, attribute_path, matching, not, on, pattern};
use domain::evaluation_context::EvaluationContext;
use domain::time::Timestamp;
use serde_json::{Value, json};

/// A clause as a condition.
pub(super) struct ReadClause {
    pub(super) condition: Value,
    /// In what it differs.
    pub(super) finding: Option<String>,
}

/// Microseconds of a millisecond.
const MICROS_PER_MILLI: i64 = 1_000;

/// The attribute of LaunchDarkly with a name or a reference: its `key` is the user id.
pub(super) fn attribute(reference: &str) -> Result<String, String> {
    match reference {
        "key" | "/key" => Ok(EvaluationContext::USER_ID_ATTRIBUTE.to_owned()),
        other => attribute_path(other),
    }
}

/// The condition of a clause.
///
/// # Errors
/// Why it has no counterpart.
pub(super) fn condition(clause: &Value) -> Result<ReadClause, String> {
    let operator = clause["op"].as_str().unwrap_or_default();
    let values = clause["values"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if values.is_empty() {
        return Err("a clause has no values, so the rule holds for no user".to_owned());
    }
    if operator == "segmentMatch" {
        return segments(values, clause["negate"] == true);
    }
    let kind = clause["contextKind"].as_str().unwrap_or("user");
    if !["", "user"].contains(&kind) {
        return Err(format!("contexts of the kind `{kind}` have no counterpart"));
    }
    let attribute = attribute(clause["attribute"].as_str().unwrap_or_default())?;
    let (condition, finding) = test(&attribute, operator, values)?;
    let condition = if clause["negate"] == true {
        json!({"$and": [on(&attribute, json!({"$exists": true})), not(&condition)]})
    } else {
        condition
    };
    Ok(ReadClause { condition, finding })
}

fn segments(values: &[Value], is_negated: bool) -> Result<ReadClause, String> {
    let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    let names = names.ok_or("the name of a segment is not a text")?;
    let each = names.iter().map(|name| json!({"$savedGroups": [name]}));
    let condition = any_of(each.collect());
    let finding = format!(
        "it names segments, which are not imported: {}. Create them with POST /segments first",
        names.join(", ")
    );
    Ok(ReadClause {
        condition: if is_negated {
            not(&condition)
        } else {
            condition
        },
        finding: Some(finding),
    })
}

/// The condition that one of the values fits.
fn test(
    attribute: &str,
    operator: &str,
    values: &[Value],
) -> Result<(Value, Option<String>), String> {
    let texts = || -> Result<Vec<&str>, String> {
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        texts.ok_or_else(|| format!("a value of `{operator}` is not a text"))
    };
    let patterns = |part: Part| -> Result<Value, String> {
        let patterns: Vec<_> = texts()?.iter().map(|text| pattern(part, text)).collect();
        Ok(matching(attribute, &joined(&patterns)))
    };
    let condition = match operator {
        "in" if values
            .iter()
            .any(|value| value.is_object() || value.is_array()) =>
        {
            return Err("`in` with an object or an array has no counterpart".to_owned());
        }
        "in" => on(attribute, json!({"$in": values})),
        "startsWith" => patterns(Part::Beginning)?,
        "endsWith" => patterns(Part::End)?,
        "contains" => patterns(Part::Anywhere)?,
        "matches" => {
            let patterns = texts()?;
            let patterns = patterns.iter().map(|each| matching(attribute, each));
            any_of(patterns.collect())
        }
        "lessThan" => numbers(attribute, "$lt", values)?,
        "lessThanOrEqual" => numbers(attribute, "$lte", values)?,
        "greaterThan" => numbers(attribute, "$gt", values)?,
        "greaterThanOrEqual" => numbers(attribute, "$gte", values)?,
        "before" => return times(attribute, "$lt", values),
        "after" => return times(attribute, "$gt", values),
        "semVerEqual" => versions(attribute, "$veq", &texts()?),
        "semVerLessThan" => versions(attribute, "$vlt", &texts()?),
        "semVerGreaterThan" => versions(attribute, "$vgt", &texts()?),
        other => return Err(format!("the operator `{other}` has no counterpart")),
    };
    Ok((condition, None))
}

/// One pattern for several.
fn joined(patterns: &[String]) -> String {
    match patterns {
        [only] => only.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

fn numbers(attribute: &str, operator: &str, values: &[Value]) -> Result<Value, String> {
    if !values.iter().all(Value::is_number) {
        return Err("a value of a comparison is not a number".to_owned());
    }
    let tests = values.iter();
    let tests = tests.map(|value| on(attribute, json!({"$type": "number", operator: value})));
    Ok(any_of(tests.collect()))
}

/// Tests of an instant: milliseconds since 1970, or a text as RFC 3339 has it.
fn times(
    attribute: &str,
    operator: &str,
    values: &[Value],
) -> Result<(Value, Option<String>), String> {
    let mut tests = Vec::new();
    for value in values {
        let millis = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => {
                let time = Timestamp::parse(text).ok();
                time.map(|time| time.micros() / MICROS_PER_MILLI)
            }
            _ => None,
        };
        let millis = millis.ok_or("a value is neither a time nor milliseconds since 1970")?;
        let time = Timestamp::from_micros(millis.saturating_mul(MICROS_PER_MILLI));
        // Without the fraction and the zone: then a text is compared by its seconds.
        let text = time.to_string();
        let text = text.split('.').next().unwrap_or_default();
        tests.push(on(attribute, json!({"$type": "number", operator: millis})));
        tests.push(on(attribute, json!({"$type": "string", operator: text})));
    }
    let finding = "times that are texts are compared as texts, so attributes must be UTC times of the form \
                   2026-01-31T00:00:00Z";
    Ok((any_of(tests), Some(finding.to_owned())))
}

/// Tests of a version. LaunchDarkly adds missing parts: `2` is `2.0.0`.
fn versions(attribute: &str, operator: &str, versions: &[&str]) -> Value {
    let tests = versions.iter().map(|version| {
        let parts = version.split(['-', '+']).next().unwrap_or_default();
        let (numbers, rest) = version.split_at(parts.len());
        let missing = 2_usize.saturating_sub(numbers.matches('.').count());
        let version = format!("{numbers}{}{rest}", ".0".repeat(missing));
        on(attribute, json!({"$type": "string", operator: version}))
    });
    any_of(tests.collect())
}
