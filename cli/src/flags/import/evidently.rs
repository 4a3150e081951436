//! Responses of Evidently's GetFeature and ListFeatures: one after another, or in an array.
//!
//! Evidently does not publish its hash, and the splits of launches and experiments are not in these responses.

use super::draft::{Draft, ImportedFlag, Outcome};
use domain::evaluation_context::EvaluationContext;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields that say nothing about who gets what.
const WITHOUT_EFFECT: [&str; 8] = [
    "arn",
    "project",
    "status",
    "valueType",
    "createdTime",
    "lastUpdatedTime",
    "tags",
    "name",
];
/// Fields that this module reads.
const KNOWN: [&str; 6] = [
    "description",
    "defaultVariation",
    "variations",
    "entityOverrides",
    "evaluationRules",
    "evaluationStrategy",
];

/// User ids in one rule: a condition may have 20,000 bytes.
const MAX_USERS_PER_RULE: usize = 250;

/// The flags of a dump.
pub(super) fn read(text: &str, environment: &str) -> Result<Vec<ImportedFlag>, String> {
    let mut features: BTreeMap<String, Value> = BTreeMap::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| error.to_string())?;
        collect(&document, &mut features);
    }
    if features.is_empty() {
        return Err("it has no `feature`. The response of get-feature has one".to_owned());
    }
    let features = features.iter();
    Ok(features
        .map(|(name, feature)| flag(name, feature, environment))
        .collect())
}

/// Adds the features of a document. A feature with variations replaces a summary without them.
fn collect(document: &Value, features: &mut BTreeMap<String, Value>) {
    if let Value::Array(elements) = document {
        elements.iter().for_each(|each| collect(each, features));
    } else if let Some(list) = document.get("features") {
        collect(list, features);
    } else if let Some(feature) = document.get("feature") {
        collect(feature, features);
    } else if let Some(name) = document["name"].as_str() {
        let known = features.get(name);
        if known.is_none_or(|known| known["variations"].is_null()) {
            features.insert(name.to_owned(), document.clone());
        }
    }
}

fn flag(name: &str, feature: &Value, environment: &str) -> ImportedFlag {
    let mut draft = Draft::new(name);
    draft.note_unknown(feature, &[&WITHOUT_EFFECT[..], &KNOWN].concat(), "");
    draft.set("description", feature.get("description").cloned());
    let Some(variations) = feature["variations"].as_array() else {
        let text =
            "the list of features has no variations. Add the response of get-feature to the file";
        draft.refuse("/variations", text);
        return draft.refused();
    };
    let mut keys = BTreeMap::new();
    for (index, variation) in variations.iter().enumerate() {
        let place = format!("/variations/{index}/value");
        let name = variation["name"].as_str().unwrap_or_default();
        match value(&variation["value"]) {
            Some(value) => drop(keys.insert(name, draft.variant(name, &value, None))),
            None => draft.refuse(place, "the value has none of the four types of Evidently"),
        }
    }
    overrides(&mut draft, feature, &keys);
    rules(&mut draft, feature);
    tags(&mut draft, feature);
    let default = feature["defaultVariation"].as_str().unwrap_or_default();
    let Some(default) = keys.get(default) else {
        draft.refuse("/defaultVariation", "there is no such variation");
        return draft.refused();
    };
    let off = draft.off_variant(default);
    draft.finish(environment, true, &off, default)
}

/// The value in one of the fields for its type. A whole number can be a text, because it can have 64 bits.
fn value(value: &Value) -> Option<Value> {
    let fields = ["boolValue", "stringValue", "longValue", "doubleValue"];
    let (field, found) = fields
        .iter()
        .find_map(|field| Some((*field, value.get(field)?)))?;
    match (field, found) {
        ("longValue", Value::String(text)) => text.parse::<i64>().ok().map(Value::from),
        ("doubleValue", found) => found.as_f64().map(Value::from),
        (_, found) => Some(found.clone()),
    }
}

/// The users with a variation of their own. They come before everything else.
fn overrides(draft: &mut Draft, feature: &Value, keys: &BTreeMap<&str, String>) {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (user, variation) in feature["entityOverrides"].as_object().into_iter().flatten() {
        users
            .entry(variation.as_str().unwrap_or_default())
            .or_default()
            .push(user);
    }
    for (variation, users) in users {
        let Some(key) = keys.get(variation) else {
            draft.leave_out(
                "/entityOverrides",
                &format!("there is no variation `{variation}`"),
            );
            continue;
        };
        for users in users.chunks(MAX_USERS_PER_RULE) {
            let condition = json!({EvaluationContext::USER_ID_ATTRIBUTE: {"$in": users}});
            let id = format!("overrides-{key}");
            let outcome = Outcome::Serve(key.clone());
            draft.rule("/entityOverrides", (&id, None), Some(condition), outcome);
        }
    }
}

fn rules(draft: &mut Draft, feature: &Value) {
    let is_used = feature["evaluationStrategy"] != "DEFAULT_VARIATION";
    for (index, rule) in feature["evaluationRules"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let name = rule["name"].as_str().unwrap_or_default();
        let kind = match rule["type"].as_str() {
            Some("aws.evidently.splits") => "launch",
            Some("aws.evidently.onlineab") => "experiment",
            _ => "rule",
        };
        let text = if is_used {
            format!(
                "the {kind} `{name}` is left out: its split is not in the file. All users get the default variation, until a \
                 rollout or an experiment is added. It then gives users other variations, because Evidently does not publish \
                 its hash"
            )
        } else {
            format!("the {kind} `{name}` is left out; it is not in use")
        };
        draft.note(format!("/evaluationRules/{index}"), text);
    }
}

/// Tags of AWS have a name and a value; a label is both.
fn tags(draft: &mut Draft, feature: &Value) {
    let tags = feature["tags"].as_object().into_iter().flatten();
    let tags: Vec<String> = tags
        .map(|(name, value)| match value.as_str() {
            Some("") | None => name.clone(),
            Some(value) => format!("{name}={value}"),
        })
        .collect();
    draft.tags(tags, "/tags");
}
