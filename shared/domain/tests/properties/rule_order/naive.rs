//! The rules once more, on the JSON of a definition.

use domain::bucketing::{HashVersion, bucket_value};
use domain::ids::LayerId;
use domain::stored_user::StoredUser;
use serde_json::Value;

/// The bucket value of a user.
fn bucket(seed: &Value, user: &str) -> f64 {
    bucket_value(seed.as_str().unwrap(), user, HashVersion::V2)
}

/// A user, and what is known of users.
pub(crate) struct User<'a> {
    pub(crate) id: &'a str,
    pub(crate) attributes: &'a Value,
    /// All segments by name, as the API shows them.
    pub(crate) segments: &'a Value,
    pub(crate) stored: &'a StoredUser,
}

/// The rules in the order of the table of reasons in the API guide.
pub(crate) fn naive(
    definition: &Value,
    who: &User<'_>,
    now: &str,
    holdouts: &[Value],
) -> (String, String) {
    let (user, stored) = (who.id, who.stored);
    let holds = |condition: &Value| who.fits(condition);
    let status = definition["status"].as_str().unwrap();
    let control = definition["variants"][0]["key"].as_str().unwrap();
    let is_past = |field: &str| definition[field].as_str().is_some_and(|time| time <= now);
    let control_because = |reason: &str| (control.to_owned(), reason.to_owned());
    let held_out = holdouts.iter().any(|holdout| {
        let over = holdout["status"] == "stopped"
            || holdout["ends_at"].as_str().is_some_and(|end| end <= now);
        let percent = holdout["holdout"]["percent"].as_f64().unwrap();
        !over && bucket(&holdout["hash_seed"], user) < percent / 100.0
    });
    if let Some(variant) = definition["release"]["variant"].as_str() {
        if held_out {
            return control_because("holdout");
        }
        return (variant.to_owned(), "released".to_owned());
    }
    if status == "stopped" || status == "archived" {
        return control_because("stopped");
    }
    if status == "running" && is_past("ends_at") {
        return control_because("ended");
    }
    for each in definition["overrides"].as_array().into_iter().flatten() {
        let named = each["users"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|named| named == user);
        let condition = &each["condition"];
        if named || (condition.is_object() && holds(condition)) {
            return (
                each["variant"].as_str().unwrap().to_owned(),
                "override".to_owned(),
            );
        }
    }
    if status == "draft" {
        return control_because("not_running");
    }
    if status == "paused" {
        return control_because("paused");
    }
    if definition["starts_at"].is_string() && !is_past("starts_at") {
        return control_because("not_started");
    }
    let layer = &definition["layer"];
    if layer.is_object() {
        let place = (bucket(&layer["seed"], user) * 10_000.0).round();
        let ranges = layer["ranges"].as_array().unwrap();
        let is_in = |range: &Value| {
            range["from"].as_f64().unwrap() <= place && place < range["to"].as_f64().unwrap()
        };
        if !ranges.iter().any(is_in) {
            return control_because("layer");
        }
    }
    let condition = &definition["exclude"]["condition"];
    if condition.is_object() && holds(condition) {
        return control_because("excluded");
    }
    let condition = &definition["targeting"];
    if condition.is_object() && !holds(condition) {
        return control_because("targeting");
    }
    let mut traffic = definition["traffic_percent"].as_f64().unwrap();
    for step in definition["ramp"].as_array().into_iter().flatten() {
        if step["at"].as_str().unwrap() <= now {
            traffic = step["traffic_percent"].as_f64().unwrap();
        }
    }
    let variants = definition["variants"].as_array().unwrap();
    let bucket = bucket(&definition["hash_seed"], user);
    let last_with_share = variants
        .iter()
        .rposition(|variant| variant["percent"].as_f64().unwrap() > 0.0);
    let mut start = 0.0;
    for (index, variant) in variants.iter().enumerate() {
        let mut weight = variant["percent"].as_f64().unwrap() / 100.0;
        let rest: f64 = variants
            .iter()
            .map(|v| v["percent"].as_f64().unwrap() / 100.0)
            .sum();
        if Some(index) == last_with_share && 1.0 - rest > 1e-9 {
            weight += 1.0 - rest;
        }
        if start <= bucket && bucket < start + traffic / 100.0 * weight {
            if stored.erased {
                return control_because("erased");
            }
            let mut others = stored.assignments.values();
            let was_in_layer = others.any(|other| {
                let layer = other.layer.as_ref().map(LayerId::as_str);
                layer.is_some_and(|id| definition["layer"]["id"] == id)
            });
            if was_in_layer {
                return control_because("layer");
            }
            if held_out {
                return control_because("holdout");
            }
            return (
                variant["key"].as_str().unwrap().to_owned(),
                "split".to_owned(),
            );
        }
        start += weight;
    }
    control_because("traffic")
}

impl User<'_> {
    /// Whether a condition with the operators of [`condition`](super::condition) holds.
    fn fits(&self, condition: &Value) -> bool {
        let mut parts = condition.as_object().unwrap().iter();
        parts.all(|(name, expected)| match name.as_str() {
            "$and" => list(expected).all(|one| self.fits(one)),
            "$or" => list(expected).len() == 0 || list(expected).any(|one| self.fits(one)),
            "$not" => !self.fits(expected),
            "$savedGroups" => {
                list(expected).all(|segment| self.is_in(&self.segments[text(segment)]))
            }
            path => {
                let seen = self.attribute(path);
                match expected.as_object() {
                    // Attributes of the generated users that are compared with a text are texts or missing.
                    None => seen == *expected,
                    Some(operators) => operators
                        .iter()
                        .all(|(name, expected)| self.operator(name, &seen, expected)),
                }
            }
        })
    }

    fn attribute(&self, path: &str) -> Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.attributes
            .pointer(&pointer)
            .cloned()
            .unwrap_or_default()
    }

    fn is_in(&self, segment: &Value) -> bool {
        match segment["attribute"].as_str() {
            Some(path) => list(&segment["ids"]).any(|id| *id == self.attribute(path)),
            None => self.fits(&segment["condition"]),
        }
    }

    fn operator(&self, name: &str, seen: &Value, expected: &Value) -> bool {
        let number = seen.as_i64().unwrap_or(0);
        match name {
            "$inGroup" => list(&self.segments[text(expected)]["ids"]).any(|id| id == seen),
            "$notInGroup" => !self.operator("$inGroup", seen, expected),
            "$in" => expected.as_array().unwrap().contains(seen),
            "$ne" => seen != expected,
            "$gte" => number >= expected.as_i64().unwrap(),
            "$lt" => number < expected.as_i64().unwrap(),
            "$exists" => seen.is_null() != *expected,
            "$elemMatch" => seen
                .as_array()
                .is_some_and(|all| all.contains(&expected["$eq"])),
            _ => panic!("{name} is not generated"),
        }
    }
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
