//! Flags of LaunchDarkly: the data of its SDKs (`{"flags": {KEY: …}}`), or the list of its REST API (`{"items": […]}`), whose
//! flags have settings for each environment.
//!
//! - [`clauses`] writes the clauses of rules as conditions

mod clauses;

use super::conditions::all_of;
use super::draft::{Draft, ImportedFlag, Outcome};
use domain::evaluation_context::EvaluationContext;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields that say nothing about who gets what.
const WITHOUT_EFFECT: [&str; 39] = [
    "key",
    "version",
    "salt",
    "sel",
    "deleted",
    "clientSide",
    "clientSideAvailability",
    "trackEvents",
    "trackEventsFallthrough",
    "debugEventsUntilDate",
    "samplingRatio",
    "excludeFromSummaries",
    "_id",
    "_version",
    "_links",
    "_site",
    "_environmentName",
    "_maintainer",
    "maintainerId",
    "_maintainerTeam",
    "creationDate",
    "lastModified",
    "kind",
    "archived",
    "archivedDate",
    "deprecated",
    "deprecatedDate",
    "temporary",
    "includeInSnippet",
    "goalIds",
    "experiments",
    "customProperties",
    "_debugEventsUntilDate",
    "_summary",
    "variationJsonSchema",
    "defaults",
    "environments",
    "allowed",
    "_access",
];
/// Fields that this module reads.
const KNOWN: [&str; 11] = [
    "name",
    "description",
    "tags",
    "variations",
    "on",
    "offVariation",
    "fallthrough",
    "rules",
    "targets",
    "contextTargets",
    "prerequisites",
];

/// Weights are thousandths of a percent.
const WEIGHTS_PER_PERCENT: f64 = 1_000.0;

const MOVED: &str = "users get other variants than before, because LaunchDarkly's hash is another one. Its percentages are kept";

/// The flags of a file.
pub(super) fn read(text: &str, environment: &str) -> Result<Vec<ImportedFlag>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let definitions: Vec<(String, Value, Option<String>)> = match (&file["flags"], &file["items"]) {
        (Value::Object(flags), _) => flags
            .iter()
            .map(|(key, flag)| (key.clone(), flag.clone(), None))
            .collect(),
        (_, Value::Array(items)) => items
            .iter()
            .map(|item| of_item(item, environment))
            .collect(),
        _ => return Err("it has neither an object `flags` nor an array `items`".to_owned()),
    };
    let mut all = BTreeMap::new();
    for (key, definition, _) in &definitions {
        let mut draft = Draft::new(key);
        let keys = variants(&mut draft, definition);
        all.insert(key.as_str(), (definition, keys));
    }
    let read = definitions.iter().map(|(key, definition, fault)| {
        let reader = Reader {
            draft: Draft::new(key),
            flag: definition,
            keys: Vec::new(),
            all: &all,
        };
        reader.read(environment, fault.as_deref())
    });
    Ok(read.collect())
}

/// A flag of the REST API with the settings of one environment, and why there are none.
fn of_item(item: &Value, environment: &str) -> (String, Value, Option<String>) {
    let key = item["key"].as_str().unwrap_or_default().to_owned();
    let all = item["environments"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let settings = match (all.get(environment), all.len()) {
        (Some(settings), _) => Some(settings),
        (None, 1) => all.values().next(),
        (None, _) => None,
    };
    let fault = settings.is_none().then(|| {
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        format!(
            "the flag has no environment `{environment}`; it has: {}",
            names.join(", ")
        )
    });
    let mut merged: Map<String, Value> = item.as_object().cloned().unwrap_or_default();
    merged.extend(
        settings
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    );
    (key, merged.into(), fault)
}

/// Adds the variants, and returns their keys in the order of the file.
fn variants(draft: &mut Draft, flag: &Value) -> Vec<String> {
    let variations = flag["variations"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    // The REST API puts each value into an object; the data of SDKs does not.
    let is_described = |each: &Value| {
        each.get("value").is_some()
            && ["_id", "name"]
                .iter()
                .any(|field| each.get(field).is_some())
    };
    let described = variations.iter().all(is_described);
    let mut keys = Vec::new();
    for (index, variation) in variations.iter().enumerate() {
        let (value, name) = if described {
            (&variation["value"], variation["name"].as_str())
        } else {
            (variation, None)
        };
        let wanted = match (value, name) {
            (Value::Bool(true), _) => "on".to_owned(),
            (Value::Bool(false), _) => "off".to_owned(),
            (_, Some(name)) => name.to_lowercase().replace(' ', "-"),
            (Value::String(text), None) if text.len() <= 40 && !text.contains(' ') => text.clone(),
            _ => format!("variant-{}", index + 1),
        };
        keys.push(draft.variant(&wanted, value, name));
    }
    keys
}

struct Reader<'f> {
    draft: Draft,
    flag: &'f Value,
    /// The keys of the variants, in the order of the file.
    keys: Vec<String>,
    /// All flags of the file with the keys of their variants.
    all: &'f BTreeMap<&'f str, (&'f Value, Vec<String>)>,
}

impl Reader<'_> {
    fn read(mut self, environment: &str, fault: Option<&str>) -> ImportedFlag {
        let flag = self.flag;
        let known = [&WITHOUT_EFFECT[..], &KNOWN].concat();
        self.draft.note_unknown(flag, &known, "");
        for field in ["name", "description"] {
            self.draft.set(field, flag.get(field).cloned());
        }
        let tags = flag["tags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(|tag| tag.as_str().map(str::to_owned));
        self.draft.tags(tags.collect(), "/tags");
        self.keys = variants(&mut self.draft, flag);
        if let Some(fault) = fault {
            self.draft.refuse("/environments", fault);
        }
        if flag["archived"] == true || flag["deleted"] == true {
            self.draft.refuse("", "it is archived or deleted");
        }
        let Some(last) = self.keys.last().cloned() else {
            self.draft.refuse("/variations", "there are no variations");
            return self.draft.refused();
        };
        self.prerequisites();
        self.targets();
        for (index, rule) in flag["rules"].as_array().into_iter().flatten().enumerate() {
            let place = format!("/rules/{index}");
            if let Err(why) = self.rule(rule, &place) {
                self.draft.leave_out(&place, &why);
            }
        }
        let off = match self.variant(&flag["offVariation"]) {
            Some(key) => key,
            None => {
                let off = self.draft.off_variant(&last);
                let text = format!(
                    "there is no off variation, so applications got their own default. Here users get `{off}` while the flag is off"
                );
                self.draft.note("/offVariation", text);
                off
            }
        };
        let default = self.fallthrough(&off);
        self.draft
            .finish(environment, flag["on"] == true, &off, &default)
    }

    /// The variant with an index.
    fn variant(&self, index: &Value) -> Option<String> {
        let index = usize::try_from(index.as_u64()?).ok()?;
        self.keys.get(index).cloned()
    }

    fn prerequisites(&mut self) {
        for (index, needed) in self.flag["prerequisites"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let place = format!("/prerequisites/{index}");
            let key = needed["key"].as_str().unwrap_or_default();
            let found = self.all.get(key).and_then(|(other, keys)| {
                let position = usize::try_from(needed["variation"].as_u64()?).ok()?;
                Some((*other, keys.get(position)?.clone()))
            });
            let Some((other, variant)) = found else {
                // Without it, users would get variants that they must not have.
                let text =
                    format!("the flag `{key}` that it needs, or its variation, is not in the file");
                self.draft.refuse(place, text);
                continue;
            };
            if other["offVariation"] == needed["variation"] {
                let text = format!(
                    "`{key}` gives its off variation `{variant}` while it is off; this met no prerequisite, and here it does"
                );
                self.draft.note(&place, text);
            }
            self.draft.needs(key, &[variant]);
        }
    }

    /// The users that have a variation of their own. They come before all rules.
    fn targets(&mut self) {
        for list in ["targets", "contextTargets"] {
            for (index, target) in self.flag[list].as_array().into_iter().flatten().enumerate() {
                let place = format!("/{list}/{index}");
                let ids = target["values"].as_array().filter(|ids| !ids.is_empty());
                // An empty list of users refers to the other list of targets.
                let Some(ids) = ids else { continue };
                let kind = target["contextKind"].as_str().unwrap_or("user");
                if !["", "user"].contains(&kind) {
                    let why = format!("contexts of the kind `{kind}` have no counterpart");
                    self.draft.leave_out(&place, &why);
                    continue;
                }
                let Some(variant) = self.variant(&target["variation"]) else {
                    self.draft.leave_out(&place, "there is no such variation");
                    continue;
                };
                let condition = json!({EvaluationContext::USER_ID_ATTRIBUTE: {"$in": ids}});
                let id = format!("targets-{variant}");
                let outcome = Outcome::Serve(variant);
                self.draft
                    .rule(&place, (&id, None), Some(condition), outcome);
            }
        }
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// Why it is left out.
    fn rule(&mut self, rule: &Value, place: &str) -> Result<(), String> {
        let known = [
            "_id",
            "id",
            "clauses",
            "variation",
            "rollout",
            "description",
            "trackEvents",
            "ref",
        ];
        self.draft.note_unknown(rule, &known, place);
        if rule["disabled"] == true {
            return Err("the rule is disabled".to_owned());
        }
        let mut conditions = Vec::new();
        for (index, clause) in rule["clauses"].as_array().into_iter().flatten().enumerate() {
            let read = clauses::condition(clause)?;
            if let Some(finding) = read.finding {
                self.draft.note(format!("{place}/clauses/{index}"), finding);
            }
            conditions.push(read.condition);
        }
        let outcome = self.outcome(rule, place)?;
        let id = rule["_id"]
            .as_str()
            .or(rule["id"].as_str())
            .unwrap_or("rule");
        let about = (id, rule["description"].as_str());
        self.draft
            .rule(place, about, Some(all_of(conditions)), outcome);
        Ok(())
    }

    /// What a rule or the fallthrough gives.
    fn outcome(&mut self, given: &Value, place: &str) -> Result<Outcome, String> {
        if let Some(variant) = self.variant(&given["variation"]) {
            return Ok(Outcome::Serve(variant));
        }
        let rollout = &given["rollout"];
        let place = format!("{place}/rollout");
        let kind = rollout["contextKind"].as_str().unwrap_or("user");
        if !["", "user"].contains(&kind) {
            return Err(format!("contexts of the kind `{kind}` have no counterpart"));
        }
        let mut shares: Vec<(String, f64)> = Vec::new();
        for share in rollout["variations"].as_array().into_iter().flatten() {
            let Some(key) = self.variant(&share["variation"]) else {
                return Err("there is no such variation".to_owned());
            };
            let percent = share["weight"].as_f64().unwrap_or_default() / WEIGHTS_PER_PERCENT;
            match shares.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known += percent,
                None => shares.push((key, percent)),
            }
        }
        if shares.is_empty() {
            return Err("it has neither a variation nor a rollout".to_owned());
        }
        let by = rollout["bucketBy"]
            .as_str()
            .filter(|by| !by.is_empty())
            .unwrap_or("key");
        let attribute = clauses::attribute(by)?;
        if attribute != EvaluationContext::USER_ID_ATTRIBUTE {
            let text = format!(
                "users without the attribute `{attribute}` do not take part; before, they got the first variation"
            );
            self.draft.note(&place, text);
        }
        if rollout["kind"] == "experiment" {
            let text = "the experiment becomes a rollout, which records no exposures. Create an experiment to measure it";
            self.draft.note(&place, text);
        }
        self.draft.note(&place, MOVED);
        Ok(Outcome::Rollout {
            variants: shares,
            traffic_percent: 100.0,
            attribute,
            seed: None,
        })
    }

    /// Adds a rule for a rollout of all other users, and returns the variant of users for whom no rule decides.
    fn fallthrough(&mut self, off: &str) -> String {
        let place = "/fallthrough";
        match self.outcome(&self.flag["fallthrough"], place) {
            Ok(Outcome::Serve(variant)) => variant,
            Ok(outcome) => {
                let Outcome::Rollout { variants, .. } = &outcome else {
                    return off.to_owned();
                };
                // Users without the attribute get the first variation in LaunchDarkly, too.
                let first = variants.iter().find(|(_, percent)| *percent > 0.0);
                let default = first.map_or(off, |(key, _)| key).to_owned();
                self.draft.rule(place, ("fallthrough", None), None, outcome);
                default
            }
            Err(why) => {
                let text = format!("{why}. Users for whom no rule decides get `{off}`");
                self.draft.note(place, text);
                off.to_owned()
            }
        }
    }
}
