//! What the functions of flags may do.

use super::super::support::World;
use serde_json::{Value, json};

/// A rule for the list `beta`, and one for those who are in the experiment `e`.
fn rules() -> Value {
    json!([
        {"id": "beta", "type": "serve", "condition": {"id": {"$inGroup": "beta"}}, "variant": "on"},
        {"id": "test", "type": "experiment", "experiment": "e", "variants": {"control": "off", "green": "on"}},
    ])
}

fn production(rules: &Value) -> Value {
    json!({"production": {"enabled": true, "off_variant": "off", "default_variant": "off", "rules": rules}})
}

/// Each route that evaluates flags: for a user who is in the list, and for another one, about whom the experiment decides.
async fn evaluations(world: &World, record_calls: &mut impl FnMut(&str)) {
    let admin = world.admin();
    let key = json!({"name": "SDK"});
    let key = admin.post("/client-keys", &key).await.json(201);
    let key = key["key"].as_str().unwrap().to_owned();
    record_calls("create-client-key");
    let page = world.bearer(&key);
    let context = |user: &str| json!({"context": {"targetingKey": user}});
    let attributes = |user: &str| json!({"attributes": {"id": user}});
    let one = "/ofrep/v1/evaluate/flags/f";
    let all = "/ofrep/v1/evaluate/flags";
    let sdk = format!("/api/eval/{key}");
    page.post(one, &context("u")).await.json(200);
    let decided = page.post(one, &context("flag-1")).await.json(200);
    assert_eq!(decided["metadata"]["experiment"], "e", "{decided}");
    record_calls("evaluate-flag");
    for user in ["u", "flag-2"] {
        page.post(all, &context(user)).await.json(200);
    }
    record_calls("evaluate-flags");
    for user in ["u", "flag-3"] {
        page.post(&sdk, &attributes(user)).await.json(200);
    }
    record_calls("evaluate-sdk-features");
    for user in ["u", "flag-4"] {
        let explained = admin.post("/flags/f/evaluate", &attributes(user)).await;
        explained.json(200);
    }
    record_calls("explain-flag");
    let features = format!("/api/features/{key}");
    page.get(&features).await.json(200);
    record_calls("get-sdk-features");
}

/// Flags that use an experiment and a segment. All of them are deleted.
pub(super) async fn flags(world: &World, record_calls: &mut impl FnMut(&str)) {
    let admin = &world.admin();
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let send = |method: &'static str, path, body: Value| {
        admin.send(method, path, &headers, body.to_string())
    };
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    let flag = json!({"key": "f", "name": "F", "value_type": "boolean", "variants": variants, "environments": production(&rules())});
    admin.post("/flags", &flag).await.json(201);
    record_calls("create-flag");
    evaluations(world, record_calls).await;
    admin.get("/flags").await.json(200);
    record_calls("list-flags");
    admin.get("/flags/f").await.json(200);
    record_calls("get-flag");
    // A change that names the segment no more, and one that names it and the experiment again.
    for rules in [json!([]), rules(), json!([])] {
        let change = json!({"environments": production(&rules)});
        send("PATCH", "/flags/f", change).await.json(200);
    }
    record_calls("change-flag");
    admin.get("/flags/f/history").await.json(200);
    record_calls("get-flag-history");
    for version in [1, 2, 1] {
        let revert = json!({ "version": version });
        send("POST", "/flags/f/revert", revert).await.json(200);
    }
    record_calls("revert-flag");
    for rules in [json!([]), rules(), json!([])] {
        let draft = json!({"environments": production(&rules), "name": rules.to_string().len().to_string()});
        send("PUT", "/flags/f/draft", draft).await.json(200);
        record_calls("put-flag-draft");
        send("POST", "/flags/f/publish", json!({})).await.json(200);
        record_calls("publish-flag");
    }
    send("PATCH", "/flags/f", json!({"archived": true}))
        .await
        .json(200);
    record_calls("change-flag");
    admin
        .send("DELETE", "/flags/f", &headers, "")
        .await
        .json(200);
    record_calls("delete-flag");
}
