//! The evaluation of flags: answers of a running platform, and refusals.

use super::answers::{all_documented, experiment};
use super::api::{Api, CheckedAnswer};
use super::flags::{boolean, full, sent};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALL: &str = "/ofrep/v1/evaluate/flags";
const ONE: &str = "/ofrep/v1/evaluate/flags/full";
const EXPLAIN: &str = "/flags/full/evaluate";

/// A platform with flags of every kind, and a client key.
async fn started() -> (Api, String) {
    let api = Api::start().await;
    let mut dimensioned = experiment("e");
    dimensioned["targeting"] = json!({"guest": {"$ne": true}});
    api.post("/experiments", dimensioned).await;
    let list = json!({"id": "list", "name": "List", "ids": ["ann"]});
    api.post("/segments", list).await;
    let on =
        |enabled: bool| json!({"enabled": enabled, "off_variant": "off", "default_variant": "on"});
    let mut needed = boolean("needed");
    let serve =
        json!({"id": "late", "type": "serve", "condition": {"late": true}, "variant": "off"});
    needed["environments"] = json!({"production": on(true)});
    needed["environments"]["production"]["rules"] = json!([serve]);
    let mut off = boolean("off");
    off["environments"] = json!({"production": on(false)});
    let mut same = boolean("same");
    same["environments"] = json!({"production": on(true)});
    for flag in [needed, full(), off, same] {
        sent(&api, "post", "/flags", Some(flag), 201).await;
    }
    let key = json!({"name": "Shop", "origins": ["https://shop.example"]});
    let key = api.post("/client-keys", key).await;
    let key = key.at("/key").as_str().unwrap().to_owned();
    (api, key)
}

/// The reasons in an answer.
fn reasons(answer: &CheckedAnswer) -> Vec<String> {
    let flags = answer.body["flags"].as_array().cloned();
    let flags = flags.unwrap_or_else(|| vec![answer.body.clone()]);
    let reasons = flags.iter().filter_map(|flag| flag["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

fn users() -> [Value; 6] {
    [
        json!({}),
        json!({"id": "ann", "team": "core"}),
        json!({"id": "bea", "company": {"id": 7}}),
        json!({"id": "cid", "guest": true}),
        json!({"id": "dan", "late": true}),
        json!({"id": "eve"}),
    ]
}

#[tokio::test]
async fn evaluations_conform_to_the_document() {
    let (api, key) = started().await;
    let mut seen = BTreeSet::new();
    for user in users() {
        let explained = json!({"attributes": user, "environment": "production"});
        let explained = sent(&api, "post", EXPLAIN, Some(explained), 200).await;
        all_documented(&explained);

        let mut context = user.clone();
        if let Some(id) = context.as_object_mut().unwrap().remove("id") {
            context["targetingKey"] = id;
        }
        let context = json!({ "context": context });
        let status = if user == json!({}) { 400 } else { 200 };
        let one = sent(&api, "post", ONE, Some(context.clone()), status).await;
        let all = sent(&api, "post", ALL, Some(context), 200).await;
        for answer in [&one, &all] {
            all_documented(answer);
            seen.extend(reasons(answer));
        }
        if status == 200 {
            for field in ["variant", "value", "reason"] {
                assert_eq!(explained.body[field], one.body[field], "{user}: {field}");
            }
        }

        let page = [("origin", "https://shop.example")];
        let sdk = json!({"attributes": user, "forcedVariations": {"e": 1}, "url": "/"});
        let path = format!("/api/eval/{key}");
        let evaluated = api.call("post", &path, &page, Some(sdk.to_string())).await;
        assert_eq!(evaluated.status, 200, "{}", evaluated.text);
        assert_eq!(
            evaluated.headers["access-control-allow-origin"],
            "https://shop.example"
        );
    }
    let expected = ["DEFAULT", "DISABLED", "SPLIT", "STATIC", "TARGETING_MATCH"];
    assert_eq!(seen.iter().collect::<Vec<_>>(), expected);

    let path = format!("/api/features/{key}");
    let page = [("origin", "https://shop.example")];
    let features = api.call("get", &path, &page, None).await;
    assert_eq!(features.status, 200, "{}", features.text);
    let unchanged = [
        page[0],
        ("if-none-match", features.headers["etag"].to_str().unwrap()),
    ];
    let unchanged = api.send("get", &path, &unchanged, None).await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));

    let hidden =
        json!({"name": "Hidden", "encrypted": true, "secure_attributes": {"names": ["team"]}});
    let hidden = api.post("/client-keys", hidden).await;
    all_documented(&hidden);
    for text in [hidden.at("/key").as_str().unwrap(), &key] {
        let path = format!("/api/features/{text}");
        let features = api.call("get", &path, &page, None).await;
        assert_eq!(features.status, 200, "{}", features.text);
    }
}

#[tokio::test]
async fn sticky_buckets_conform_to_the_document() {
    let (api, key) = started().await;
    let path = format!("/sticky/{key}");
    let page = [("origin", "https://shop.example")];
    let document = |assignments: Value| {
        json!({"attributeName": "id", "attributeValue": "bea", "assignments": assignments, "attributes": null}).to_string()
    };
    for claim in ["control", "green"] {
        let body = document(json!({"e__0": claim, "e__1": claim}));
        let answer = api.call("post", &path, &page, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        all_documented(&answer);
    }
    let of_bea = format!("{path}?attributes.id=bea&attributes.account=");
    let documents = api.call("get", &of_bea, &page, None).await;
    assert_eq!(documents.at("/documents/id||bea/attributeName"), "id");
    all_documented(&documents);
    let other = [("origin", "https://other.example")];
    let unknown = "/sticky/ck_AAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for (method, path, page, body, status) in [
        ("get", &path, &other, None, 403),
        ("get", &unknown, &page, None, 401),
        ("get", &format!("{path}?user=ann"), &page, None, 400),
        ("post", &path, &other, Some(document(json!({}))), 403),
        ("post", &unknown, &page, Some(document(json!({}))), 401),
        ("post", &path, &page, Some("{}".to_owned()), 422),
        ("post", &path, &page, Some("{".to_owned()), 400),
    ] {
        let answer = api.call(method, path, page, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        all_documented(&answer);
    }
}

#[tokio::test]
async fn refusals_of_evaluations_conform_to_the_document() {
    let (mut api, key) = started().await;
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let context = |context: Value| json!({ "context": context }).to_string();
    for path in [ALL, ONE] {
        for (body, status, code) in [
            ("{".to_owned(), 400, "PARSE_ERROR"),
            (String::new(), 400, "PARSE_ERROR"),
            ("[]".to_owned(), 400, "PARSE_ERROR"),
            (large.clone(), 413, "PARSE_ERROR"),
            (context(json!([])), 400, "INVALID_CONTEXT"),
            (context(json!({"targetingKey": 7})), 400, "INVALID_CONTEXT"),
            (
                context(json!({"targetingKey": "a\n"})),
                400,
                "INVALID_CONTEXT",
            ),
            (
                context(json!({"targetingKey": "a", "id": "b"})),
                400,
                "INVALID_CONTEXT",
            ),
            (
                context(json!({"a": "x".repeat(8_192)})),
                400,
                "INVALID_CONTEXT",
            ),
        ] {
            let answer = api.call("post", path, &[], Some(body)).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
            assert_eq!(answer.at("/errorCode"), code, "{path}: {}", answer.text);
            all_documented(&answer);
        }
        let text = [("content-type", "text/plain")];
        let answer = api.call("post", path, &text, None).await;
        assert_eq!(answer.at("/errorCode"), "PARSE_ERROR", "{}", answer.text);
    }
    let unknown = sent(
        &api,
        "post",
        "/ofrep/v1/evaluate/flags/no",
        Some(json!({})),
        404,
    )
    .await;
    assert_eq!(unknown.at("/errorCode"), "FLAG_NOT_FOUND");
    all_documented(&unknown);

    let user = json!({"attributes": {"id": "ann"}});
    let wrong =
        json!({"attributes": {"a": "x".repeat(8_192)}, "environment": "moon", "user": "ann"});
    let unknown = sent(&api, "post", "/flags/no/evaluate", Some(user.clone()), 404).await;
    all_documented(&unknown);
    all_documented(&sent(&api, "post", EXPLAIN, Some(wrong), 422).await);

    let page = [("origin", "https://shop.example")];
    let other = [("origin", "https://other.example")];
    let body = |wanted: &str| (wanted == "post").then(|| user.to_string());
    let no_key = "ck_AAAAAAAAAAAAAAAAAAAAAA";
    for (method, path) in [("get", "/api/features"), ("post", "/api/eval")] {
        for (key, page, status) in [
            (&*key, &other, 403),
            (no_key, &page, 401),
            ("-", &page, 401),
        ] {
            let path = format!("{path}/{key}");
            let answer = api.call(method, &path, page, body(method)).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            all_documented(&answer);
        }
    }
    let path = format!("/api/eval/{key}");
    for (body, status) in [("{\"attributes\": []}", 422), ("{", 400)] {
        let answer = api.call("post", &path, &page, Some(body.to_owned())).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        all_documented(&answer);
    }

    // The gateway, and the check of the caller, refuse as on every route.
    api.use_only_scope("track").await;
    for path in [ALL, ONE, EXPLAIN] {
        all_documented(&sent(&api, "post", path, Some(user.clone()), 403).await);
    }
    api.token = "assay_a-token-that-is-unknown".to_owned();
    for path in [ALL, ONE, EXPLAIN] {
        all_documented(&sent(&api, "post", path, Some(user.clone()), 401).await);
    }
    api.token = key;
    for (path, page, status) in [(ONE, &page, 200), (ONE, &other, 403), (EXPLAIN, &page, 403)] {
        let body = Some(json!({"context": {"targetingKey": "ann"}}).to_string());
        let answer = api.call("post", path, page, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        all_documented(&answer);
    }
}
