//! Contexts of flags: the user that flags need, and contexts of any form and size.

use super::super::support::{Caller, World, without_definition_cache};
use super::{change, checkout, created};
use assay::serve::PlatformOptions;
use domain::limits::{MAX_ATTRIBUTE_DEPTH, MAX_ATTRIBUTES_BYTES, MAX_BODY_BYTES};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A flag with these rules and prerequisites.
fn flag(key: &str, rules: Value, prerequisites: Value) -> Value {
    let mut flag = checkout(key);
    flag["environments"]["production"]["rules"] = rules;
    flag["prerequisites"] = prerequisites;
    flag
}

fn rollout(attribute: &str) -> Value {
    json!([{
        "id": "half", "type": "rollout", "attribute": attribute, "traffic_percent": 50,
        "variants": [{"variant": "on", "percent": 100}],
    }])
}

#[tokio::test]
async fn a_flag_needs_a_user_if_a_flag_that_it_needs_does() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    let needs = |key: &str| json!([{"flag": key, "variants": ["on"]}]);
    created(&admin, flag("users", rollout("id"), json!([]))).await;
    created(&admin, flag("accounts", rollout("account"), json!([]))).await;
    created(&admin, flag("needs-users", json!([]), needs("users"))).await;
    created(&admin, flag("needs-it", json!([]), needs("needs-users"))).await;
    created(&admin, flag("needs-accounts", json!([]), needs("accounts"))).await;
    let lacking = async || {
        let context = json!({"context": {"account": "a-1"}});
        let all = admin.post("/ofrep/v1/evaluate/flags", &context).await;
        let all = all.json(200);
        let mut lacking = Vec::new();
        for flag in all["flags"].as_array().unwrap() {
            let key = flag["key"].as_str().unwrap();
            let path = format!("/ofrep/v1/evaluate/flags/{key}");
            let one = admin.post(&path, &context).await;
            assert_eq!(
                one.status,
                if flag["errorCode"].is_null() {
                    200
                } else {
                    400
                }
            );
            if flag["errorCode"] == "TARGETING_KEY_MISSING" {
                lacking.push(key.to_owned());
            }
        }
        lacking.sort();
        lacking
    };
    assert_eq!(lacking().await, ["needs-it", "needs-users", "users"]);
    // A flag that is off hashes nothing, so those that need it need no user.
    let off = json!({"enabled": false, "off_variant": "off", "default_variant": "off"});
    let off = json!({"environments": {"production": off}});
    change(&admin, "users", &off).await.json(200);
    assert!(lacking().await.is_empty());
}

/// Any JSON value, with names and texts that mean something to conditions.
fn value() -> impl Strategy<Value = Value> {
    let text = || {
        prop_oneof![
            prop::sample::select(vec![
                "",
                "id",
                "country",
                "DE",
                "1.2.3",
                "$in",
                "a.b",
                "__proto__",
                "targetingKey",
                "é😀\u{0}",
                "-0",
                "1e999",
            ])
            .prop_map(str::to_owned),
            ".{0,40}",
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(20, 200, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The text of a context.
fn context() -> impl Strategy<Value = String> {
    let fields = [
        "targetingKey",
        "id",
        "account",
        "country",
        "groups",
        "version",
        "a",
    ];
    let small = prop::collection::btree_map(prop::sample::select(fields.to_vec()), value(), 0..5)
        .prop_map(|fields| json!(fields).to_string());
    let long = prop_oneof![
        8_000..8_400_usize,
        100_000..1_000_000_usize,
        MAX_BODY_BYTES - 200..MAX_BODY_BYTES + 200,
    ];
    prop_oneof![
        8 => small,
        1 => value().prop_map(|value| value.to_string()),
        1 => long.clone().prop_map(|bytes| json!({"country": "x".repeat(bytes)}).to_string()),
        // Many small values: the memory of a parsed value is many times that of its text.
        1 => long.prop_map(|bytes| format!(r#"{{"groups":[{}0]}}"#, "0,".repeat(bytes / 2))),
        1 => (1..60_000_usize).prop_map(|levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels))),
    ]
}

/// Flags whose conditions look into all of a context.
async fn flags(admin: &Caller) {
    let serve = |id: &str, condition: Value| json!({"id": id, "type": "serve", "variant": "on", "condition": condition});
    let rules = json!([
        serve("pattern", json!({"country": {"$regex": "^(a|aa)+$"}})),
        serve(
            "array",
            json!({"groups": {"$elemMatch": {"$eq": 1}}, "a": {"$size": {"$gt": 3}}})
        ),
        serve(
            "version",
            json!({"version": {"$vgt": "1.2.3"}, "a.b.0.c": {"$exists": true}})
        ),
        serve("equal", json!({"a": [[[[["x"]]]]]})),
    ]);
    created(admin, flag("rules", rules, json!([]))).await;
    created(admin, flag("rollout", rollout("account"), json!([]))).await;
    let needs = json!([{"flag": "rollout", "variants": ["on"]}]);
    created(admin, flag("needs", rollout("id"), needs)).await;
    admin
        .experiment("e", json!({"targeting": {"country": {"$ne": "FR"}}}))
        .await;
    let experiment = json!([{
        "id": "test", "type": "experiment", "experiment": "e", "variants": {"control": "off", "green": "on"},
    }]);
    created(admin, flag("experiment", experiment, json!([]))).await;
}

#[test]
fn any_context_gets_values_or_an_error_of_the_protocol_and_never_much_time() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, client_key) = runtime.block_on(async {
        let world = World::with(PlatformOptions::for_tests()).await;
        let admin = world.admin();
        flags(&admin).await;
        let key = json!({"name": "Page"});
        let key = admin.post("/client-keys", &key).await.json(201);
        (world, key["key"].as_str().unwrap().to_owned())
    });
    let admin = world.admin();
    let eval = format!("/api/eval/{client_key}");
    let routes = [
        ("/ofrep/v1/evaluate/flags/rules", "context"),
        ("/ofrep/v1/evaluate/flags/needs", "context"),
        ("/ofrep/v1/evaluate/flags/experiment", "context"),
        ("/ofrep/v1/evaluate/flags", "context"),
        ("/flags/rules/evaluate", "attributes"),
        (eval.as_str(), "attributes"),
    ];
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&context(), |context| {
        for (path, name) in routes {
            let body = format!(r#"{{"{name}": {context}}}"#);
            let headers = [("content-type", "application/json")];
            let begun = Instant::now();
            let answer = runtime.block_on(admin.send("POST", path, &headers, body.clone()));
            let shown: String = body.chars().take(400).collect();
            prop_assert!(begun.elapsed() < Duration::from_secs(20), "{path} {shown}");
            prop_assert!(
                [200, 400, 413, 422].contains(&answer.status),
                "{path} {shown}\n{}",
                answer.text
            );
            let is_ofrep = path.starts_with("/ofrep");
            let answer_body: Value = serde_json::from_str(&answer.text).unwrap();
            if is_ofrep && answer.status != 200 {
                prop_assert!(
                    answer_body["errorCode"].is_string(),
                    "{path} {shown}\n{}",
                    answer.text
                );
                prop_assert_ne!(answer.status, 422);
            }
            if body.len() > MAX_BODY_BYTES {
                prop_assert_eq!(answer.status, 413);
            }
            // The limits of attributes hold on every route.
            let parsed: Option<Value> = serde_json::from_str(&context).ok();
            let parsed = parsed.filter(Value::is_object);
            let compact = parsed.map_or(0, |value| value.to_string().len());
            let is_too_deep =
                context.starts_with(&format!("{{\"a\":{}", "[".repeat(MAX_ATTRIBUTE_DEPTH)));
            if compact > MAX_ATTRIBUTES_BYTES + 2 || is_too_deep {
                prop_assert_ne!(answer.status, 200, "{} {}", path, shown);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
