//! The payload of GrowthBook's SDKs: `{"features": {KEY: {"defaultValue": …, "rules": […]}}, "savedGroups": {…}}`.
//!
//! The conditions are the same here. The hash is the same for rules with `hashVersion` 2, so their users keep their variants.
//! An experiment becomes a rollout with its seed, weights and coverage.

use super::draft::{Draft, ImportedFlag, Outcome};
use domain::condition::{Condition, NoSegments};
use domain::evaluation_context::EvaluationContext;
use serde_json::{Map, Value, json};

/// Fields of a rule that say nothing about who gets what.
const WITHOUT_EFFECT: [&str; 6] = ["id", "tracks", "name", "phase", "key", "description"];
/// Fields of a rule that this module reads.
const KNOWN: [&str; 11] = [
    "condition",
    "force",
    "coverage",
    "variations",
    "weights",
    "seed",
    "hashAttribute",
    "hashVersion",
    "meta",
    "parentConditions",
    "enabled",
];
/// Fields that choose other users than a rollout can: of a forced value, and of an experiment. Each ignores those of the other.
const OTHER_USERS_OF_FORCE: [&str; 2] = ["range", "filters"];
const OTHER_USERS_OF_EXPERIMENT: [&str; 3] = ["ranges", "filters", "namespace"];
/// Fields of stored variations. A rollout stores none.
const STICKY: [&str; 4] = [
    "fallbackAttribute",
    "disableStickyBucketing",
    "bucketVersion",
    "minBucketVersion",
];

/// The flags of a payload.
pub(super) fn read(text: &str, environment: &str) -> Result<Vec<ImportedFlag>, String> {
    let payload: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if payload.get("encryptedFeatures").is_some() {
        return Err("it is encrypted. Use an SDK connection without encryption".to_owned());
    }
    let Some(features) = payload["features"].as_object() else {
        return Err("it has no object `features`. The payload for SDKs has one".to_owned());
    };
    let mut groups = payload["savedGroups"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    groups.retain(|_, ids| ids.is_array());
    let all = Payload { features, groups };
    Ok(features
        .iter()
        .map(|(key, feature)| all.flag(key, feature, environment))
        .collect())
}

struct Payload<'p> {
    features: &'p Map<String, Value>,
    /// Lists of ids by the names of their groups.
    groups: Map<String, Value>,
}

impl Payload<'_> {
    fn flag(&self, key: &str, feature: &Value, environment: &str) -> ImportedFlag {
        let mut draft = Draft::new(key);
        draft.note_unknown(feature, &["defaultValue", "rules", "project"], "");
        for (key, value, _) in variants(feature) {
            draft.variant(&key, &value, None);
        }
        let Some(default) = variant(&draft, &feature["defaultValue"], &[]) else {
            draft.refuse("/defaultValue", "there is no default value");
            return draft.refused();
        };
        let off = draft.off_variant(&default);
        let rules = feature["rules"].as_array().into_iter().flatten();
        for (index, rule) in rules.enumerate() {
            let place = format!("/rules/{index}");
            if let Err(why) = self.rule(&mut draft, rule, &place, (key, &off)) {
                draft.leave_out(&place, &why);
            }
        }
        draft.finish(environment, true, &off, &default)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// Why it is left out.
    fn rule(
        &self,
        draft: &mut Draft,
        rule: &Value,
        place: &str,
        (key, off): (&str, &str),
    ) -> Result<(), String> {
        let is_forced = rule.get("force").is_some();
        let other_users = if is_forced {
            &OTHER_USERS_OF_FORCE[..]
        } else {
            &OTHER_USERS_OF_EXPERIMENT
        };
        let known = [&WITHOUT_EFFECT[..], &KNOWN, &STICKY, other_users].concat();
        draft.note_unknown(rule, &known, place);
        if rule["enabled"] == false {
            return Err("the rule is not enabled".to_owned());
        }
        if let Some(field) = other_users.iter().find(|field| !rule[**field].is_null()) {
            return Err(format!("`{field}` has no counterpart"));
        }
        let decides = is_forced || rule.get("variations").is_some();
        let parents = rule["parentConditions"].as_array();
        if let Some(parents) = parents.filter(|parents| !parents.is_empty()) {
            let is_gate = !decides && parents.iter().all(|parent| parent["gate"] == true);
            if !is_gate {
                return Err("a prerequisite of one rule has no counterpart".to_owned());
            }
            return self.prerequisites(draft, parents, place, off);
        }
        if !decides {
            return Err("it has neither a value nor variations".to_owned());
        }
        let condition = rule.get("condition").filter(|each| !each.is_null());
        let condition = condition.map(|condition| self.with_lists(condition));
        let id = rule["id"].as_str().or(rule["key"].as_str());
        let about = (id.unwrap_or("rule"), rule["name"].as_str());
        let outcome = outcome(draft, rule, key)?;
        if matches!(outcome, Outcome::Rollout { .. }) {
            notes_of_rollout(draft, rule, place);
        }
        draft.rule(place, about, condition, outcome);
        Ok(())
    }

    /// Adds prerequisites of the whole feature.
    fn prerequisites(
        &self,
        draft: &mut Draft,
        parents: &[Value],
        place: &str,
        off: &str,
    ) -> Result<(), String> {
        let mut needed = Vec::new();
        for parent in parents {
            let id = parent["id"].as_str().unwrap_or_default();
            let other = self.features.get(id);
            let other = other.ok_or(format!("the feature `{id}` is not in the file"))?;
            let condition = Condition::compile(parent["condition"].clone());
            let condition = condition.map_err(|_| "its condition is not valid here".to_owned())?;
            let all = variants(other).into_iter();
            let fits = |value: &Value| condition.matches(&json!({"value": value}), &NoSegments);
            let fitting: Vec<_> = all
                .filter(|(_, value, _)| fits(value))
                .map(|(key, ..)| key)
                .collect();
            if fitting.is_empty() {
                return Err(format!("no value of `{id}` meets the prerequisite"));
            }
            needed.push((id, fitting));
        }
        for (id, fitting) in needed {
            draft.needs(id, &fitting);
        }
        let text = format!(
            "users for whom the prerequisite is not met get the off variant `{off}`, instead of no value"
        );
        draft.note(place, text);
        Ok(())
    }

    /// The condition with the ids of groups instead of their names, which are not those of segments here.
    fn with_lists(&self, condition: &Value) -> Value {
        match condition {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let list = value.as_str().and_then(|group| self.groups.get(group));
                    match (name.as_str(), list) {
                        ("$inGroup", Some(ids)) => ("$in".to_owned(), ids.clone()),
                        ("$notInGroup", Some(ids)) => ("$nin".to_owned(), ids.clone()),
                        _ => (name.clone(), self.with_lists(value)),
                    }
                });
                Value::Object(fields.collect())
            }
            Value::Array(elements) => elements.iter().map(|each| self.with_lists(each)).collect(),
            other => other.clone(),
        }
    }
}

/// A variant: its key, its value, and how often one rule has it.
type FeatureVariant = (String, Value, usize);

/// The variants of a feature: its different values. A value that an experiment has several times is several variants.
fn variants(feature: &Value) -> Vec<FeatureVariant> {
    let mut found: Vec<FeatureVariant> = Vec::new();
    let mut add = |value: &Value, wanted: Option<&str>, nth: usize| {
        let same = found.iter().filter(|(_, known, _)| known == value).count();
        if same >= nth {
            return;
        }
        let own = match value {
            Value::Bool(true) => Some("on"),
            Value::Bool(false) => Some("off"),
            Value::String(text)
                if domain::ids::VariantKey::parse(text).is_ok() && text.len() <= 40 =>
            {
                Some(text.as_str())
            }
            _ => None,
        };
        let numbered = format!("variant-{}", found.len() + 1);
        let key = own.filter(|_| same == 0).or(wanted).unwrap_or(&numbered);
        let is_taken = found.iter().any(|(taken, ..)| taken == key);
        let is_valid = domain::ids::VariantKey::parse(key).is_ok();
        let key = if is_taken || !is_valid {
            numbered.clone()
        } else {
            key.to_owned()
        };
        found.push((key, value.clone(), nth));
    };
    let default = &feature["defaultValue"];
    if default.is_boolean() {
        add(&json!(true), None, 1);
        add(&json!(false), None, 1);
    }
    if !default.is_null() {
        add(default, Some("default"), 1);
    }
    for rule in feature["rules"].as_array().into_iter().flatten() {
        if let Some(value) = rule.get("force") {
            add(value, None, 1);
        }
        let variations = rule["variations"].as_array().map(Vec::as_slice);
        let variations = variations.unwrap_or_default();
        for (index, value) in variations.iter().enumerate() {
            let nth = variations[..=index]
                .iter()
                .filter(|each| *each == value)
                .count();
            add(value, rule["meta"][index]["key"].as_str(), nth);
        }
    }
    found
}

/// The variant with a value that is not one of those used.
fn variant(draft: &Draft, value: &Value, used: &[(String, f64)]) -> Option<String> {
    let fits =
        |(key, own): &(&str, &Value)| *own == value && !used.iter().any(|(taken, _)| taken == key);
    let found = draft.variants().find(fits);
    found.map(|(key, _)| key.to_owned())
}

fn outcome(draft: &Draft, rule: &Value, feature: &str) -> Result<Outcome, String> {
    let without_variant = || "it has a value without a variant".to_owned();
    let seed = |otherwise: &str| {
        let seed = rule["seed"].as_str().filter(|seed| !seed.is_empty());
        Some(seed.unwrap_or(otherwise).to_owned())
    };
    let traffic_percent = rule["coverage"].as_f64().unwrap_or(1.0).clamp(0.0, 1.0) * 100.0;
    let attribute = rule["hashAttribute"]
        .as_str()
        .filter(|name| !name.is_empty());
    let attribute = attribute
        .unwrap_or(EvaluationContext::USER_ID_ATTRIBUTE)
        .to_owned();
    if let Some(value) = rule.get("force") {
        let variant = variant(draft, value, &[]).ok_or_else(without_variant)?;
        if rule["coverage"].is_null() {
            return Ok(Outcome::Serve(variant));
        }
        return Ok(Outcome::Rollout {
            variants: vec![(variant, 100.0)],
            traffic_percent,
            attribute,
            seed: seed(feature),
        });
    }
    let values = rule["variations"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if values.len() < 2 {
        return Err("an experiment with fewer than two variations enrolls no user".to_owned());
    }
    let passes = |index: usize| rule["meta"][index]["passthrough"] == true;
    if (0..values.len()).any(passes) {
        return Err("a holdout has no counterpart in a flag".to_owned());
    }
    let weights = weights(&rule["weights"], values.len());
    let mut variants = Vec::new();
    for (value, weight) in values.iter().zip(weights) {
        let key = variant(draft, value, &variants).ok_or_else(without_variant)?;
        variants.push((key, weight * 100.0));
    }
    Ok(Outcome::Rollout {
        variants,
        traffic_percent,
        attribute,
        seed: seed(rule["key"].as_str().unwrap_or(feature)),
    })
}

/// The weights; equal ones if there are none, or they do not add up to 1.
fn weights(weights: &Value, number: usize) -> Vec<f64> {
    let given = weights.as_array().into_iter().flatten();
    let given: Vec<f64> = given.filter_map(Value::as_f64).collect();
    let sum: f64 = given.iter().sum();
    if given.len() == number && (0.99..=1.01).contains(&sum) {
        given
    } else {
        domain::bucketing::equal_weights(number)
    }
}

fn notes_of_rollout(draft: &mut Draft, rule: &Value, place: &str) {
    if rule["hashVersion"] != 2 {
        let text = "users get other variants than before: the rule uses version 1 of the hash, and rollouts here use version 2";
        draft.note(format!("{place}/hashVersion"), text);
    } else if rule.get("force").is_some()
        && rule["coverage"].as_f64().is_some_and(|share| share < 1.0)
    {
        let text = "users keep their variants, except those with exactly this bucket value (1 of 10,000), who leave the rollout";
        draft.note(format!("{place}/coverage"), text);
    }
    if rule.get("variations").is_some() {
        let text = "the experiment becomes a rollout, which records no exposures. Create an experiment to measure it";
        draft.note(place, text);
    }
    if STICKY.iter().any(|field| !rule[*field].is_null()) {
        draft.note(
            place,
            "sticky bucketing has no counterpart: a rollout stores no variants of users",
        );
    }
}
