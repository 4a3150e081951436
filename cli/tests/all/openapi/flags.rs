//! Feature flags: answers of a running platform, and refusals.

use super::answers::{all_documented, experiment};
use super::api::{Api, CheckedAnswer};
use serde_json::{Value, json};

const ANY_VERSION: [(&str, &str); 1] = [("if-match", "*")];

pub(crate) fn boolean(key: &str) -> Value {
    json!({"key": key, "name": "F", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}]})
}

fn environment(rules: Value) -> Value {
    json!({"enabled": true, "off_variant": "off", "default_variant": "off", "rules": rules})
}

/// A flag with every field.
pub(crate) fn full() -> Value {
    let rules = json!([
        {"id": "team", "type": "serve", "description": "Us.", "condition": {"team": "core", "id": {"$inGroup": "list"}}, "variant": "on"},
        {"id": "first", "type": "rollout", "variants": [{"variant": "on", "percent": 40}, {"variant": "off", "percent": 60}],
            "traffic_percent": 5.5, "ramp": [{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100}],
            "attribute": "company.id", "hash_seed": "s"},
        {"id": "test", "type": "experiment", "experiment": "e", "variants": {"control": "off", "green": "on"},
            "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00+01:00"},
        {"id": "all", "type": "rollout", "variants": [{"variant": "on", "percent": 100}]},
    ]);
    json!({
        "key": "full", "name": "Full", "description": "All of it.", "owner": "team", "tags": ["a", "b/ö"],
        "value_type": "object",
        "variants": [
            {"key": "on", "value": {"color": "green", "sizes": [1, 2.5]}, "name": "On"},
            {"key": "off", "value": {"color": "grey"}},
        ],
        "schema": {"type": "object", "required": ["color"], "properties": {"color": {"type": "string"}}},
        "environments": {"production": environment(rules)},
        "prerequisites": [{"flag": "needed", "variants": ["on"]}],
    })
}

pub(crate) async fn sent(
    api: &Api,
    method: &str,
    path: &str,
    body: Option<Value>,
    status: u16,
) -> CheckedAnswer {
    let body = body.map(|body| body.to_string());
    let answer = api.call(method, path, &ANY_VERSION, body).await;
    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    answer
}

#[tokio::test]
async fn flags_conform_to_the_document() {
    let api = Api::start().await;
    api.post("/experiments", experiment("e")).await;
    let list = json!({"id": "list", "name": "List", "ids": ["ann"]});
    api.post("/segments", list).await;
    let values = [
        ("string", json!("")),
        ("integer", json!(-7)),
        ("number", json!(0.5)),
        ("object", json!({})),
    ];
    let values = values.map(|(kind, value)| json!({"key": kind, "name": "V", "value_type": kind, "variants": [{"key": "v", "value": value}]}));
    for body in [boolean("needed"), full()].into_iter().chain(values) {
        let created = sent(&api, "post", "/flags", Some(body), 201).await;
        all_documented(&created);
    }
    for change in [
        json!({"environments": {"production": environment(json!([])), "staging": null}, "reason": "errors"}),
        json!({"name": "Other", "description": null, "owner": null, "tags": [], "schema": null, "prerequisites": []}),
        json!({"variants": [{"key": "on", "value": {}}, {"key": "off", "value": {}}], "environments": {}}),
    ] {
        let changed = sent(&api, "patch", "/flags/full", Some(change), 200).await;
        all_documented(&changed);
    }
    for revert in [
        json!({"version": 1, "reason": null}),
        json!({"version": 2.0, "reason": "again"}),
    ] {
        let reverted = sent(&api, "post", "/flags/full/revert", Some(revert), 200).await;
        all_documented(&reverted);
    }
    let draft = json!({"name": "Draft", "requires_approval": true});
    let saved = sent(&api, "put", "/flags/full/draft", Some(draft), 200).await;
    all_documented(&saved);
    all_documented(&api.get("/flags/full").await);
    let published = sent(&api, "post", "/flags/full/publish", None, 200).await;
    all_documented(&published);
    let direct = json!({"requires_approval": false});
    let refused = sent(&api, "patch", "/flags/full", Some(direct.clone()), 409).await;
    all_documented(&refused);
    sent(&api, "put", "/flags/full/draft", Some(direct), 200).await;
    for path in ["/flags/full/publish", "/flags/needed/publish"] {
        all_documented(&sent(&api, "post", path, None, 409).await);
    }
    all_documented(&sent(&api, "post", "/flags/nothing/publish", None, 404).await);
    all_documented(&api.get("/flags/full").await);
    let page = api.get("/flags?limit=2&archived=true&stale=false").await;
    all_documented(&page);
    let cursor = page.at("/next_cursor").as_str().unwrap();
    all_documented(&api.get(&format!("/flags?limit=2&cursor={cursor}")).await);
    api.get("/flags?stale=true&tag=a&owner=team").await;
    let page = api.get("/flags/full/history?limit=2").await;
    let cursor = page.at("/next_cursor").as_str().unwrap();
    api.get(&format!("/flags/full/history?cursor={cursor}"))
        .await;
    let archived = sent(
        &api,
        "patch",
        "/flags/string",
        Some(json!({"archived": true})),
        200,
    )
    .await;
    assert_eq!(archived.at("/archived"), true);
    sent(&api, "delete", "/flags/string", None, 200).await;
    let history = api.get("/flags/string/history").await;
    assert_eq!(history.at("/entries/0/action"), "deleted");
}

#[tokio::test]
async fn refusals_of_flags_conform_to_the_document() {
    let api = Api::start().await;
    sent(&api, "post", "/flags", Some(boolean("needed")), 201).await;
    for (key, of) in [("user", "needed"), ("parent", ""), ("child", "parent")] {
        let mut flag = boolean(key);
        if !of.is_empty() {
            flag["prerequisites"] = json!([{"flag": of, "variants": ["on"]}]);
        }
        sent(&api, "post", "/flags", Some(flag), 201).await;
    }
    for key in ["child", "parent"] {
        let path = format!("/flags/{key}");
        sent(&api, "patch", &path, Some(json!({"archived": true})), 200).await;
    }
    let prerequisite = |flag: &str| json!({"prerequisites": [{"flag": flag, "variants": ["on"]}]});
    let mut taken = boolean("needed");
    taken["name"] = json!("Other");
    let mut invalid = taken.clone();
    invalid["variants"] = json!([]);
    for (method, path, body, status) in [
        ("delete", "/flags/needed", None, 409),
        ("delete", "/flags/parent", None, 409),
        ("delete", "/flags/nothing", None, 404),
        ("post", "/flags", Some(taken), 409),
        ("post", "/flags", Some(invalid), 422),
        (
            "patch",
            "/flags/needed",
            Some(json!({"archived": true})),
            422,
        ),
        (
            "patch",
            "/flags/needed",
            Some(json!({"value_type": "string"})),
            422,
        ),
        (
            "patch",
            "/flags/needed",
            Some(json!({"reason": "none"})),
            422,
        ),
        (
            "patch",
            "/flags/needed",
            Some(json!({"environments": {}})),
            422,
        ),
        ("patch", "/flags/needed", Some(prerequisite("user")), 422),
        ("patch", "/flags/needed", Some(prerequisite("parent")), 422),
        ("patch", "/flags/needed", Some(prerequisite("nothing")), 422),
        ("patch", "/flags/nothing", Some(json!({"name": "N"})), 404),
        (
            "post",
            "/flags/needed/revert",
            Some(json!({"version": 7})),
            422,
        ),
        (
            "post",
            "/flags/nothing/revert",
            Some(json!({"version": 1})),
            404,
        ),
        ("get", "/flags?limit=0&stale=yes", None, 400),
        ("get", "/flags/nothing", None, 404),
        ("get", "/flags/nothing/history", None, 404),
    ] {
        all_documented(&sent(&api, method, path, body, status).await);
    }
    let old = [("if-match", "\"9\"")];
    for (method, path, body) in [
        ("patch", "/flags/needed", json!({"name": "N"})),
        ("post", "/flags/needed/revert", json!({"version": 1})),
        ("delete", "/flags/needed", json!({})),
    ] {
        let body = Some(body.to_string()).filter(|_| method != "delete");
        let stale = api.call(method, path, &old, body.clone()).await;
        assert_eq!(stale.status, 412, "{method} {path}: {}", stale.text);
        all_documented(&stale);
        let careless = api.call(method, path, &[], body).await;
        assert_eq!(careless.status, 428, "{method} {path}: {}", careless.text);
        all_documented(&careless);
    }
}

#[tokio::test]
async fn null_removes_from_a_flag_what_the_document_says() {
    let api = Api::start().await;
    sent(&api, "post", "/flags", Some(boolean("f")), 201).await;
    let schema = api.document.at("/components/schemas/ChangeFlagRequest");
    let removable = ["description", "owner", "schema"];
    let all = [
        "name",
        "tags",
        "value_type",
        "variants",
        "environments",
        "prerequisites",
        "archived",
        "reason",
    ];
    for field in all.into_iter().chain(removable) {
        let mut body = json!({"name": "Other", "archived": false});
        body[field] = Value::Null;
        let described = api.document.faults(schema, &body).is_empty();
        assert_eq!(described, removable.contains(&field), "{field}");
        let status = if described { 200 } else { 422 };
        let answer = sent(&api, "patch", "/flags/f", Some(body), status).await;
        if !described {
            assert_eq!(answer.at("/errors/0/code"), "not_removable", "{field}");
        }
    }
}
