//! What the functions of flags may do.

use super::super::support::Caller;
use serde_json::{Value, json};

/// A rule for those who are in the experiment `e`, and one for the list `beta`.
fn rules() -> Value {
    json!([
        {"id": "test", "type": "experiment", "experiment": "e", "variants": {"control": "off", "green": "on"}},
        {"id": "beta", "type": "serve", "condition": {"id": {"$inGroup": "beta"}}, "variant": "on"},
    ])
}

fn production(rules: &Value) -> Value {
    json!({"production": {"enabled": true, "off_variant": "off", "default_variant": "off", "rules": rules}})
}

/// Flags that use an experiment and a segment. All of them are deleted.
pub(super) async fn flags(admin: &Caller, record_calls: &mut impl FnMut(&str)) {
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let send = |method: &'static str, path, body: Value| {
        admin.send(method, path, &headers, body.to_string())
    };
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    let flag = json!({"key": "f", "name": "F", "value_type": "boolean", "variants": variants, "environments": production(&rules())});
    admin.post("/flags", &flag).await.json(201);
    record_calls("create-flag");
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
