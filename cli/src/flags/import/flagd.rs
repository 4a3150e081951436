//! Flag definitions of flagd: `{"flags": {KEY: {"state", "variants", "defaultVariant", "targeting"}}, "$evaluators": {…}}`.
//!
//! Targeting is an expression of JsonLogic that gives the name of a variant. Branches of `if` become rules in their order.
//!
//! - [`logic`] writes the conditions of branches

mod logic;

use super::conditions::all_of;
use super::draft::{Draft, ImportedFlag, Outcome};
use domain::evaluation_context::EvaluationContext;
use logic::{Evaluators, Test};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields of a flag that this module reads.
const KNOWN: [&str; 4] = ["state", "variants", "defaultVariant", "targeting"];

const MOVED: &str = "users get other variants than before, because flagd's hash is another one. Its percentages are kept";

const CONVERTED: &str = "`==` and `!=` convert types in flagd: the number 5 and the text \"5\" are equal. Here they are not, \
                         so send attributes with the type of the value that they are compared with";

/// The flags of a file.
pub(super) fn read(text: &str, environment: &str) -> Result<Vec<ImportedFlag>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(flags) = file["flags"].as_object() else {
        return Err("it has no object `flags`".to_owned());
    };
    let evaluators = Evaluators::new(&file["$evaluators"]);
    let flags = flags.iter();
    Ok(flags
        .map(|(key, flag)| {
            let branches = Branches {
                draft: Draft::new(key),
                keys: BTreeMap::new(),
                evaluators: &evaluators,
                default: String::new(),
            };
            branches.read(flag, environment)
        })
        .collect())
}

struct Branches<'f> {
    draft: Draft,
    /// The keys of the variants by their names.
    keys: BTreeMap<&'f str, String>,
    evaluators: &'f Evaluators<'f>,
    default: String,
}

impl<'f> Branches<'f> {
    fn read(mut self, flag: &'f Value, environment: &str) -> ImportedFlag {
        self.draft.note_unknown(flag, &KNOWN, "");
        let variants = flag["variants"].as_object().into_iter().flatten();
        for (name, value) in variants {
            let key = self.draft.variant(name, value, None);
            self.keys.insert(name, key);
        }
        let Some(first) = self.keys.values().next().cloned() else {
            self.draft.refuse("/variants", "there are no variants");
            return self.draft.refused();
        };
        let default = flag["defaultVariant"].as_str();
        self.default = match default.map(|name| self.keys.get(name)) {
            Some(Some(key)) => key.clone(),
            Some(None) => {
                self.draft
                    .refuse("/defaultVariant", "there is no such variant");
                return self.draft.refused();
            }
            None => {
                let key = self.draft.off_variant(&first);
                let text = format!(
                    "there is none, so applications got their own default. Here users get `{key}`"
                );
                self.draft.note("/defaultVariant", text);
                key
            }
        };
        let off = self.draft.off_variant(&self.default);
        let enabled = flag["state"] != "DISABLED";
        if !enabled {
            let text = format!(
                "applications got their own default while the flag is disabled. Here users get `{off}`"
            );
            self.draft.note("/state", text);
        }
        let targeting = &flag["targeting"];
        let is_empty = targeting.is_null() || *targeting == json!({});
        if !is_empty && let Err(why) = self.branch(targeting, "/targeting", &[], 0) {
            self.draft.leave_out("/targeting", &why);
        }
        let default = self.default.clone();
        self.draft.finish(environment, enabled, &off, &default)
    }

    /// Adds the rules of an expression that gives a variant, for users with these conditions.
    ///
    /// # Errors
    /// Why it has no counterpart.
    fn branch(
        &mut self,
        expression: &'f Value,
        place: &str,
        conditions: &[Value],
        level: usize,
    ) -> Result<(), String> {
        let expression = self.evaluators.resolved(expression, level)?;
        if let Some(outcome) = self.outcome(expression, place)? {
            let id = place.trim_start_matches("/targeting").replace('/', "-");
            let id = format!("rule{}", id.replace("-if", ""));
            let condition = (!conditions.is_empty()).then(|| all_of(conditions.to_vec()));
            self.draft.rule(place, (&id, None), condition, outcome);
            return Ok(());
        }
        let Some(arguments) = expression.get("if").and_then(Value::as_array) else {
            return Err("the expression has no counterpart".to_owned());
        };
        for (index, pair) in arguments.chunks(2).enumerate() {
            let index = 2 * index;
            let [condition, outcome] = pair else {
                return self.branch(
                    &pair[0],
                    &format!("{place}/if/{index}"),
                    conditions,
                    level + 1,
                );
            };
            let test = match self.evaluators.test(condition, level + 1) {
                Ok(test) => test,
                Err(why) => {
                    self.draft.leave_out(&format!("{place}/if/{index}"), &why);
                    continue;
                }
            };
            if self.evaluators.converts_types(condition, level + 1) {
                self.draft.note(format!("{place}/if/{index}"), CONVERTED);
            }
            let mut inner = conditions.to_vec();
            match test {
                Test::Never => continue,
                Test::Always => {}
                Test::If(condition) => inner.push(condition),
            }
            let place = format!("{place}/if/{}", index + 1);
            if let Err(why) = self.branch(outcome, &place, &inner, level + 1) {
                self.draft.leave_out(&place, &why);
            }
        }
        // Without an `else`, the users of these conditions get the default variant, and not that of a later branch.
        if arguments.len() % 2 == 0 && !conditions.is_empty() {
            let condition = Some(all_of(conditions.to_vec()));
            let outcome = Outcome::Serve(self.default.clone());
            self.draft
                .rule(place, ("rule-otherwise", None), condition, outcome);
        }
        Ok(())
    }

    /// What an expression gives, unless it is an `if`.
    fn outcome(&mut self, expression: &Value, place: &str) -> Result<Option<Outcome>, String> {
        let name = match expression {
            Value::Null => return Ok(Some(Outcome::Serve(self.default.clone()))),
            Value::Bool(value) => value.to_string(),
            Value::String(name) => name.clone(),
            _ => {
                let shares = expression.get("fractional").and_then(Value::as_array);
                return shares
                    .map(|shares| self.fractional(shares, place))
                    .transpose();
            }
        };
        let key = self.keys.get(name.as_str());
        let key = key.ok_or_else(|| format!("there is no variant `{name}`"))?;
        Ok(Some(Outcome::Serve(key.clone())))
    }

    fn fractional(&mut self, arguments: &[Value], place: &str) -> Result<Outcome, String> {
        let (attribute, shares) = match arguments.split_first() {
            Some((first, rest)) if !first.is_array() => (hashed(first)?, rest),
            _ => (EvaluationContext::USER_ID_ATTRIBUTE.to_owned(), arguments),
        };
        let mut variants: Vec<(String, f64)> = Vec::new();
        for share in shares {
            let name = share[0].as_str();
            let key = name.and_then(|name| self.keys.get(name));
            let key = key.ok_or("`fractional` has a share without a variant's name")?;
            let weight = if share[1].is_null() {
                Some(1.0)
            } else {
                share[1].as_f64()
            };
            let weight = weight.filter(|weight| *weight >= 0.0);
            let weight = weight.ok_or("a weight of `fractional` is not a number from 0")?;
            match variants.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => *known += weight,
                None => variants.push((key.clone(), weight)),
            }
        }
        let sum: f64 = variants.iter().map(|(_, weight)| weight).sum();
        if sum <= 0.0 {
            return Err("`fractional` has no weight above 0".to_owned());
        }
        for (_, weight) in &mut variants {
            *weight = *weight / sum * 100.0;
        }
        self.draft.note(place, MOVED);
        if attribute != EvaluationContext::USER_ID_ATTRIBUTE {
            let text = format!(
                "users without the attribute `{attribute}` get to the next rule; before, they got the default variant"
            );
            self.draft.note(place, text);
        }
        Ok(Outcome::Rollout {
            variants,
            traffic_percent: 100.0,
            attribute,
            seed: None,
        })
    }
}

/// The attribute that is hashed: it alone, or after the key of the flag and other texts, which are a seed.
fn hashed(expression: &Value) -> Result<String, String> {
    let attribute = |each: &Value| logic::attribute(each).ok();
    let of_texts = expression
        .get("cat")
        .and_then(Value::as_array)
        .map(|parts| {
            let parts = parts.iter().filter(|part| !part.is_string());
            let is_key = |part: &&Value| part["var"] == "$flagd.flagKey";
            parts.filter(|part| !is_key(part)).collect::<Vec<_>>()
        });
    let found = match of_texts.as_deref() {
        Some([only]) => attribute(only),
        Some(_) => None,
        None => attribute(expression),
    };
    found.ok_or_else(|| "`fractional` hashes something other than one attribute".to_owned())
}
