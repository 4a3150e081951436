//! Valid bodies with random mutations: every answer is a success or a problem document, and never a server error.

use super::support::{World, ago};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Routes, each with a body that it accepts.
fn valid() -> Vec<(&'static str, &'static str, Value)> {
    let at = ago(60).to_string();
    vec![
        (
            "POST",
            "/experiments",
            json!({
                "name": "N", "description": "d", "id": "fuzzed", "status": "running", "traffic_percent": 50, "dimensions": ["country"],
                "variants": [{"key": "a", "percent": 40, "name": "A"}, {"key": "b", "percent": 60}],
                "metrics": [{"key": "m", "kind": "sum", "event_type": "t", "role": "primary", "direction": "increase"}],
                "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z", "hash_seed": "s", "shards": 2,
            }),
        ),
        (
            "PATCH",
            "/experiments/e",
            json!({
                "name": "N", "description": null, "traffic_percent": 10, "dimensions": ["country", "platform"], "ends_at": "2027-01-01T00:00:00Z",
                "variants": [{"key": "control", "percent": 40}, {"key": "green", "percent": 60}],
                "metrics": [{"key": "m", "kind": "count", "event_type": "t"}],
            }),
        ),
        (
            "POST",
            "/experiments/e/assignments",
            json!({"assignments": [
                {"user_id": "u", "variant": "green", "assigned_at": at, "attributes": {"country": "DE"}}, {"user_id": "v", "variant": "control", "assigned_at": at},
            ]}),
        ),
        (
            "POST",
            "/events",
            json!({"sent_at": at, "events": [
                {"user_id": "u", "type": "t", "timestamp": at, "value": 19.99, "properties": {"a": [1, {"b": null}]}, "event_id": "e"},
                {"user_id": "v", "type": "t", "event_id": "f"},
            ]}),
        ),
        (
            "POST",
            "/events",
            json!({"user_id": "u", "type": "t", "timestamp": at, "value": 1}),
        ),
    ]
}

/// A replacement for a value, as text. It may be malformed JSON.
fn other() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "0",
            "-0",
            "-1",
            "1e400",
            "1e-400",
            "1e-200",
            "1e308",
            "0.1e1",
            "99999999999999999999999",
            "50.000000000000001",
            "\"\"",
            "\" \"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\uFFFF\"",
            "\"2026-02-30T00:00:00Z\"",
            "\"9999-12-31T23:59:59.999999999Z\"",
            "\"0000-01-01T00:00:00Z\"",
            "\"2016-12-31T23:59:60Z\"",
            "\"1970-01-01T00:00:00Z\"",
            "\"e#1\"",
            "\"a/b\"",
            "\"control\"",
            "[]",
            "{}",
            "[[]]",
            "{\"\":0}",
            "[null]",
            "{\"a\":1,\"a\":2}",
            "{\"$where\":1}",
            "",
            "NaN",
            "'",
            "\\",
            "/*",
            "//",
            ",",
            ":",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}".prop_map(|text| json!(text).to_string()),
        (1_usize..5000).prop_map(|length| json!("x".repeat(length)).to_string()),
        any::<f64>().prop_map(|number| json!(number).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[-+0-9.eE]{1,20}",
    ]
}

/// A mutation of a body.
#[derive(Debug, Clone)]
enum Mutation {
    /// Replaces one value, chosen by its index among all values.
    Replace(prop::sample::Index, String),
    /// Removes bytes.
    Remove(prop::sample::Index, usize),
    /// Inserts bytes.
    Insert(prop::sample::Index, Vec<u8>),
    /// Repeats bytes.
    Repeat(prop::sample::Index, usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<prop::sample::Index>;
    let mutation = prop_oneof![
        4 => (index(), other()).prop_map(|(index, text)| Mutation::Replace(index, text)),
        1 => (index(), 1_usize..20).prop_map(|(index, length)| Mutation::Remove(index, length)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(index, bytes)| Mutation::Insert(index, bytes)),
        1 => (index(), 1_usize..40).prop_map(|(index, length)| Mutation::Repeat(index, length)),
    ];
    prop::collection::vec(mutation, 1..4)
}

/// Every value in a body, the body itself included.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

fn mutated(body: &Value, mutations: &[Mutation]) -> Vec<u8> {
    const MARK: &str = "a replaced value";
    let mut body = body.clone();
    let mut texts = Vec::new();
    for mutation in mutations {
        if let Mutation::Replace(index, text) = mutation {
            let mut all = Vec::new();
            pointers(&body, "", &mut all);
            let mark = format!("{MARK} {}", texts.len());
            let pointer = &all[index.index(all.len())];
            *body.pointer_mut(pointer).unwrap() = json!(mark);
            texts.push((json!(mark).to_string(), text));
        }
    }
    let mut text = body.to_string();
    for (mark, other) in texts {
        text = text.replace(&mark, other);
    }
    let mut bytes = text.into_bytes();
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        match mutation {
            Mutation::Replace(..) => {}
            Mutation::Remove(index, length) => {
                let from = index.index(bytes.len());
                bytes.drain(from..(from + length).min(bytes.len()));
            }
            Mutation::Insert(index, other) => {
                let at = index.index(bytes.len());
                bytes.splice(at..at, other.iter().copied());
            }
            Mutation::Repeat(index, length) => {
                let from = index.index(bytes.len());
                let part = bytes[from..(from + length).min(bytes.len())].to_vec();
                bytes.splice(from..from, part);
            }
        }
    }
    bytes
}

#[test]
fn every_mutated_body_gets_a_success_or_a_problem() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(async {
        let world = World::start().await;
        world
            .admin()
            .experiment("e", json!({"dimensions": ["country"]}))
            .await;
        world
    });
    let admin = world.admin();
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    for (method, path, body) in valid() {
        let send = |body: Vec<u8>| runtime.block_on(admin.send(method, path, &headers, body));
        let first = send(body.to_string().into_bytes());
        assert!(first.status < 300, "{method} {path}: {}", first.text);
        let config = Config {
            cases: 250,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&mutations(), |mutations| {
            let body = mutated(&body, &mutations);
            let answer = send(body.clone());
            let shown = String::from_utf8_lossy(&body).into_owned();
            prop_assert!(
                answer.status < 500,
                "{} {}\n{}\n{}",
                method,
                path,
                shown,
                answer.text
            );
            if answer.status >= 400 {
                prop_assert!(
                    answer.problem().is_ok(),
                    "{:?}\n{}",
                    answer.problem(),
                    shown
                );
            } else {
                prop_assert!(serde_json::from_str::<Value>(&answer.text).is_ok());
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{method} {path}: {failure}"));
    }
    // All accepted data can be read.
    runtime.block_on(async {
        for path in [
            "/experiments/e",
            "/experiments?limit=100",
            "/experiments/e/results",
            "/experiments/fuzzed/results",
        ] {
            let answer = admin.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
    });
}
