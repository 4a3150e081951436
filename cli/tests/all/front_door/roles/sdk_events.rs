//! What the function of the events of pages may do.

use super::super::support::World;
use serde_json::json;

/// A page whose flag has an experiment with the list `beta`. The flag is deleted, and the key revoked.
pub(super) async fn sdk_events(world: &World, record_calls: &mut impl FnMut(&str)) {
    let admin = world.admin();
    let in_experiment = json!({"targeting": {"id": {"$notInGroup": "beta"}}});
    admin.experiment("of-pages", in_experiment).await;
    record_calls("create-experiment");
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    let rule = json!({
        "id": "test", "type": "experiment", "experiment": "of-pages", "variants": {"control": "off", "green": "on"},
    });
    let flag = json!({
        "key": "page", "name": "Page", "value_type": "boolean", "variants": variants,
        "environments": {"production": {
            "enabled": true, "off_variant": "off", "default_variant": "off", "rules": [rule],
        }},
    });
    admin.post("/flags", &flag).await.json(201);
    record_calls("create-flag");
    let key = json!({"name": "Page", "event_types": ["buy"]});
    let key = admin.post("/client-keys", &key).await.json(201);
    record_calls("create-client-key");
    // One of the list, and one whose part of the list does not exist.
    let seen = |user: &str| {
        json!({"event_name": "Experiment Viewed", "properties_json": {
            "experimentId": "of-pages", "variationId": "green", "hashAttribute": "id", "hashValue": user,
        }})
    };
    let bought = json!({"event_name": "buy", "properties_json": {}, "device_id": "of-page"});
    // The key does not allow this type, but the flag is one that it sees.
    let evaluated = json!({
        "event_name": "Feature Evaluated", "properties_json": {"feature": "page"}, "device_id": "of-page",
    });
    let events = json!([seen("u"), seen("of-page"), bought, evaluated]);
    let path = format!("/track?client_key={}", key["key"].as_str().unwrap());
    let answer = admin.post(&path, &events).await.json(200);
    assert_eq!(answer["accepted"], 3, "{answer}");
    record_calls("record-sdk-events");
    let sticky = format!("/sticky/{}", key["key"].as_str().unwrap());
    let of_page = format!("{sticky}?attributes.id=of-page");
    let documents = admin.get(&of_page).await.json(200);
    let document = &documents["documents"]["id||of-page"];
    assert_eq!(document["attributeName"], "id", "{documents}");
    record_calls("get-sticky-buckets");
    // The one of the list, and one that is assigned now: one of the two variants is that of the rules.
    for (user, variant) in [("u", "green"), ("other", "green"), ("other", "control")] {
        let assignments = json!({"of-pages__0": variant});
        let sent =
            json!({"attributeName": "id", "attributeValue": user, "assignments": assignments});
        admin.post(&sticky, &sent).await.json(200);
    }
    record_calls("record-sticky-buckets");
    world.platform.settle().await;

    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let archived = json!({"archived": true}).to_string();
    let flag = admin.send("PATCH", "/flags/page", &headers, archived).await;
    flag.json(200);
    record_calls("change-flag");
    let deleted = admin.send("DELETE", "/flags/page", &headers, "").await;
    deleted.json(200);
    record_calls("delete-flag");
    let path = format!("/client-keys/{}", key["id"].as_str().unwrap());
    admin.send("DELETE", &path, &[], "").await.json(200);
    record_calls("revoke-client-key");
}
