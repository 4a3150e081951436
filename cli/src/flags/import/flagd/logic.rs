//! The conditions of flagd's JsonLogic.

use super::super::conditions::{Part, all_of, any_of, attribute_path, not, on, pattern};
use domain::evaluation_context::EvaluationContext;
use serde_json::{Map, Value, json};

/// Levels of expressions, with those of shared evaluators. It bounds the recursion if evaluators name each other.
const MAX_LEVELS: usize = 32;

/// For whom an expression is true.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Always,
    Never,
    /// For users with this condition.
    If(Value),
}

/// The evaluators that the flags of a file share, by their names.
pub(super) struct Evaluators<'f>(Option<&'f Map<String, Value>>);

impl<'f> Evaluators<'f> {
    pub(super) fn new(evaluators: &'f Value) -> Self {
        Self(evaluators.as_object())
    }

    /// The expression that a reference names, or the expression itself.
    pub(super) fn resolved(
        &self,
        expression: &'f Value,
        level: usize,
    ) -> Result<&'f Value, String> {
        let mut expression = expression;
        for _ in level..MAX_LEVELS {
            let Some(name) = expression.get("$ref").and_then(Value::as_str) else {
                return Ok(expression);
            };
            let found = self.0.and_then(|all| all.get(name));
            expression = found.ok_or_else(|| format!("there is no evaluator `{name}`"))?;
        }
        Err(format!(
            "it has more than {MAX_LEVELS} levels, or evaluators name each other"
        ))
    }

    /// For whom an expression is true.
    ///
    /// # Errors
    /// Why it has no counterpart.
    pub(super) fn test(&self, expression: &'f Value, level: usize) -> Result<Test, String> {
        let expression = self.resolved(expression, level)?;
        if let Value::Bool(value) = expression {
            return Ok(if *value { Test::Always } else { Test::Never });
        }
        let operation = expression.as_object().filter(|fields| fields.len() == 1);
        let operation = operation.and_then(|fields| fields.iter().next());
        let Some((operator, arguments)) = operation else {
            return Err("a condition is not an operation with one operator".to_owned());
        };
        // JsonLogic allows one argument without an array.
        let arguments = match arguments {
            Value::Array(arguments) => arguments.as_slice(),
            one => std::slice::from_ref(one),
        };
        match (operator.as_str(), arguments) {
            ("and" | "or", parts) => self.joined(operator == "and", parts, level),
            ("!", [only]) => Ok(match self.test(only, level + 1)? {
                Test::Always => Test::Never,
                Test::Never => Test::Always,
                Test::If(condition) => Test::If(not(&condition)),
            }),
            ("!!", [only]) => self.test(only, level + 1),
            ("var", _) => {
                // As JsonLogic counts values as true.
                let expected = json!({"$exists": true, "$nin": [false, 0, ""]});
                Ok(Test::If(on(&attribute(expression)?, expected)))
            }
            (operator, arguments) => comparison(operator, arguments).map(Test::If),
        }
    }

    /// Whether the result of an expression can depend on a conversion of types: JsonLogic's `==` and `!=` take the number 5
    /// and the text "5" for equal. A text such as "DE" equals no value of another type.
    pub(super) fn converts_types(&self, expression: &'f Value, level: usize) -> bool {
        let Ok(Value::Object(operation)) = self.resolved(expression, level) else {
            return false;
        };
        operation.iter().any(|(operator, arguments)| {
            let arguments = match arguments {
                Value::Array(arguments) => arguments.as_slice(),
                one => std::slice::from_ref(one),
            };
            let is_converted = |literal: &Value| match literal {
                Value::Number(_) | Value::Bool(_) => true,
                // JavaScript takes a blank text for 0.
                Value::String(text) => text.trim().is_empty() || text.trim().parse::<f64>().is_ok(),
                _ => false,
            };
            match operator.as_str() {
                "==" | "!=" => arguments.iter().any(is_converted),
                "and" | "or" | "!" | "!!" => {
                    let mut parts = arguments.iter();
                    parts.any(|part| self.converts_types(part, level + 1))
                }
                _ => false,
            }
        })
    }

    fn joined(&self, is_and: bool, parts: &'f [Value], level: usize) -> Result<Test, String> {
        let (decides, otherwise) = if is_and {
            (Test::Never, Test::Always)
        } else {
            (Test::Always, Test::Never)
        };
        let mut conditions = Vec::new();
        for part in parts {
            match self.test(part, level + 1)? {
                Test::If(condition) => conditions.push(condition),
                test if test == decides => return Ok(decides),
                _ => {}
            }
        }
        Ok(match (conditions.is_empty(), is_and) {
            (true, _) => otherwise,
            (false, true) => Test::If(all_of(conditions)),
            (false, false) => Test::If(any_of(conditions)),
        })
    }
}

/// The attribute of a variable.
///
/// # Errors
/// If it is none, or it has a default value.
pub(super) fn attribute(expression: &Value) -> Result<String, String> {
    let name = match expression.get("var") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(parts)) if parts.len() == 1 => parts[0].as_str().unwrap_or_default(),
        _ => return Err("an argument is not a variable without a default value".to_owned()),
    };
    match name {
        "targetingKey" => Ok(EvaluationContext::USER_ID_ATTRIBUTE.to_owned()),
        name if name.starts_with("$flagd") => Err(format!("`{name}` has no counterpart")),
        "" => Err("a variable has no name".to_owned()),
        // A variable of JsonLogic is a path, as an attribute is here.
        name => attribute_path(&format!("/{}", name.replace('.', "/"))),
    }
}

/// The condition of a comparison of an attribute with a literal.
fn comparison(operator: &str, arguments: &[Value]) -> Result<Value, String> {
    if let ([low, middle, high], "<" | "<=") = (arguments, operator) {
        let attribute = attribute(middle)?;
        let upper = order(&attribute, operator, high)?;
        return Ok(all_of(vec![
            order(&attribute, reversed(operator), low)?,
            upper,
        ]));
    }
    if operator == "sem_ver" {
        return version(arguments);
    }
    let [left, right] = arguments else {
        return Err(format!(
            "the operator `{operator}` has no counterpart with these arguments"
        ));
    };
    if operator == "in" && right.get("var").is_some() {
        return contains(&attribute(right)?, left);
    }
    // A literal may come first in a comparison.
    let (variable, operator, literal) = if left.get("var").is_some() {
        (left, operator, right)
    } else {
        (right, reversed(operator), left)
    };
    let is_literal = !literal.is_object();
    let attribute = attribute(variable)?;
    match (operator, literal) {
        ("==" | "===", Value::Null) => Ok(on(&attribute, Value::Null)),
        ("!=" | "!==", Value::Null) => Ok(on(&attribute, json!({"$exists": true}))),
        ("==" | "===", scalar) if is_literal && !scalar.is_array() => {
            Ok(on(&attribute, json!({"$eq": scalar})))
        }
        ("!=" | "!==", scalar) if is_literal && !scalar.is_array() => {
            Ok(on(&attribute, json!({"$ne": scalar})))
        }
        ("<" | "<=" | ">" | ">=", number) => order(&attribute, operator, number),
        ("in", Value::Array(list)) => Ok(on(&attribute, json!({"$in": list}))),
        ("starts_with", Value::String(text)) => Ok(part(&attribute, Part::Beginning, text)),
        ("ends_with", Value::String(text)) => Ok(part(&attribute, Part::End, text)),
        _ => Err(format!(
            "the operator `{operator}` has no counterpart with these arguments"
        )),
    }
}

/// The condition that a text has a part. Arrays have none in flagd.
fn part(attribute: &str, part: Part, text: &str) -> Value {
    on(
        attribute,
        json!({"$type": "string", "$regex": pattern(part, text)}),
    )
}

/// The condition that a text or an array contains a value.
fn contains(attribute: &str, value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(any_of(vec![
            part(attribute, Part::Anywhere, text),
            on(attribute, json!({"$elemMatch": {"$eq": text}})),
        ])),
        Value::Number(_) | Value::Bool(_) => {
            Ok(on(attribute, json!({"$elemMatch": {"$eq": value}})))
        }
        _ => Err("`in` with these arguments has no counterpart".to_owned()),
    }
}

/// The operator with its arguments in the other order.
fn reversed(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "in" | "starts_with" | "ends_with" => "a literal before a variable",
        same => same,
    }
}

fn order(attribute: &str, operator: &str, number: &Value) -> Result<Value, String> {
    if !number.is_number() {
        return Err(format!(
            "`{operator}` with a value that is not a number has no counterpart"
        ));
    }
    let name = match operator {
        "<" => "$lt",
        "<=" => "$lte",
        ">" => "$gt",
        _ => "$gte",
    };
    Ok(on(attribute, json!({"$exists": true, name: number})))
}

fn version(arguments: &[Value]) -> Result<Value, String> {
    let [variable, Value::String(operator), Value::String(version)] = arguments else {
        return Err("`sem_ver` needs a variable, an operator and a version".to_owned());
    };
    let attribute = attribute(variable)?;
    let name = match operator.as_str() {
        "=" => "$veq",
        "!=" => "$vne",
        "<" => "$vlt",
        "<=" => "$vlte",
        ">" => "$vgt",
        ">=" => "$vgte",
        // The same major version, or the same major and minor version.
        "^" | "~" => {
            let number = if operator == "^" { 1 } else { 2 };
            let parts: Vec<_> = version
                .trim_start_matches('v')
                .split('.')
                .take(number)
                .collect();
            let start = parts.join("\\.");
            let expected = json!({"$type": "string", "$regex": format!("^v?{start}(?:\\.|$)")});
            return Ok(on(&attribute, expected));
        }
        other => return Err(format!("`sem_ver` has no operator `{other}`")),
    };
    Ok(on(&attribute, json!({"$type": "string", name: version})))
}
