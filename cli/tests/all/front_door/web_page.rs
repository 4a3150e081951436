//! A page of a shop with a client key, which sees the flags with the tag `web`.

use super::flags::{checkout, created};
use super::support::{World, without_definition_cache};
use serde_json::{Value, json};

/// The header with the origin of the page.
pub(super) const PAGE: (&str, &str) = ("origin", "https://shop.example");

/// A platform with these experiments, each with a flag that has a tag, and a client key with further fields: id of the
/// experiment, tag of the flag, fields of the experiment.
pub(super) async fn shop(experiments: &[(&str, &str, Value)], key: &Value) -> (World, String) {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    for (experiment, tag, fields) in experiments {
        admin.experiment(experiment, fields.clone()).await;
        let mut flag = checkout(&format!("flag-of-{experiment}"));
        flag["tags"] = json!([tag]);
        flag["environments"]["production"]["rules"] = json!([{
            "id": "test", "type": "experiment", "experiment": experiment,
            "variants": {"control": "off", "green": "on"},
        }]);
        created(&admin, flag).await;
    }
    let mut new = json!({"name": "Shop", "origins": [PAGE.1], "flag_tags": ["web"]});
    for (name, value) in key.as_object().unwrap() {
        new[name] = value.clone();
    }
    let key = admin.post("/client-keys", &new).await.json(201);
    let key = key["key"].as_str().unwrap().to_owned();
    (world, key)
}
