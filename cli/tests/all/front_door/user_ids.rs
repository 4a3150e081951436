//! A user id is any text, and two different ids are never confused.

use super::support::{World, ago, encoded};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Ids that a wrong encoding, separator or normalisation would confuse.
fn ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "a",
        "A",
        "a ",
        " a",
        "a/b",
        "a%2Fb",
        "a%252Fb",
        "a%2fb",
        "a//b",
        "a/b/",
        "/a/b",
        "a+b",
        "a b",
        "a%20b",
        "a#b",
        "a#",
        "#a",
        "e#a",
        "a#0",
        "a?b",
        "a&b=c",
        "a=b",
        "a;b",
        "a,b",
        "*",
        "?",
        "a*",
        "$ref",
        "null",
        "-",
        "-#a",
        "results",
        "assignment",
        "assignment/a",
        "e/assignment/a",
        "0",
        "00",
        "1e3",
        "true",
        "ä",
        "a\u{308}",
        "ß",
        "ss",
        "😀",
        "👩‍👩‍👧",
        "日本",
        "\u{200b}",
        "\u{feff}a",
        "\u{e000}",
        "a.b",
        "...",
        "~",
        "'",
        "\"",
        "\\",
        "{id}",
        "a\u{a0}b",
        "registry",
        "definition",
        "<script>",
        "%",
        "%%",
        "%zz",
        "%00",
    ]
    .map(str::to_owned)
    .into();
    ids.push("ü".repeat(128));
    ids.push(format!("{}x", "a".repeat(255)));
    ids.push(format!("{}y", "a".repeat(255)));
    ids.push("a".repeat(255));
    ids
}

#[tokio::test]
async fn every_id_has_its_own_assignment_and_events() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = json!([{"key": "n", "kind": "sum", "event_type": "n"}]);
    for id in ["requested", "imported"] {
        admin
            .experiment(id, json!({"metrics": metric, "shards": 4}))
            .await;
    }
    let ids = ids();
    let mut first = BTreeMap::new();
    for id in &ids {
        let answer = admin.assign("requested", id).await;
        assert_eq!(answer["user_id"], *id);
        assert_eq!(
            answer["reason"], "new",
            "{id:?} was confused with another id"
        );
        first.insert(id, answer);
    }
    let rows: Vec<Value> = ids
        .iter()
        .map(|id| json!({"user_id": id, "variant": "green", "assigned_at": ago(60).to_string()}))
        .collect();
    assert_eq!(admin.import("imported", &rows).await["stored"], ids.len());
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({"user_id": id, "type": "n", "event_id": "the same for all", "value": 1}))
        .collect();
    let answer = admin.track(&events).await;
    assert_eq!(answer["stored"], ids.len(), "{answer}");
    for event in answer["events"].as_array().unwrap() {
        assert_eq!(event["counts_for"].as_array().unwrap().len(), 2, "{event}");
    }
    for id in &ids {
        let again = admin.assign("requested", id).await;
        assert_eq!(again["reason"], "existing", "{id:?}");
        assert_eq!(again["assigned_at"], first[id]["assigned_at"], "{id:?}");
        assert_eq!(
            admin.assign("imported", id).await["variant"],
            "green",
            "{id:?}"
        );
    }
    for experiment in ["requested", "imported"] {
        let results = admin.results(experiment, "").await;
        let users: u64 = results["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["users"].as_u64().unwrap())
            .sum();
        let sum: u64 = results["metrics"][0]["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["sum"].as_str().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!((users, sum), (ids.len() as u64, ids.len() as u64));
    }
}

#[tokio::test]
async fn an_id_is_decoded_exactly_once() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    for (sent, meant) in [
        ("abc", "abc"),
        ("%61bc", "abc"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%F0%9F%98%80", "😀"),
        ("a:b@c!$&'()*,;=", "a:b@c!$&'()*,;="),
    ] {
        let answer = admin
            .get(&format!("/experiments/e/assignment/{sent}"))
            .await
            .json(200);
        assert_eq!(answer["user_id"], meant, "{sent}");
    }
}

#[tokio::test]
async fn an_invalid_user_id_is_refused_everywhere() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let before = world.contents().await;
    let longer = "a".repeat(257);
    for (id, code) in [
        ("", "empty"),
        (longer.as_str(), "too_long"),
        ("a\nb", "control_character"),
        ("\u{0}", "control_character"),
        ("\u{85}", "control_character"),
    ] {
        if !id.is_empty() {
            let path = format!("/experiments/e/assignment/{}", encoded(id));
            let answer = admin.get(&path).await;
            assert_eq!(answer.code(400), "bad_parameters", "{id:?}");
            assert_eq!(answer.problem().unwrap()["errors"][0]["code"], code);
        }
        let event = json!({"user_id": id, "type": "t", "event_id": "e"});
        let answer = admin.post("/events", &event).await;
        assert_eq!(answer.code(422), "invalid", "{id:?}");
        assert_eq!(
            answer.problem().unwrap()["errors"][0],
            json!({
            "pointer": "/user_id", "code": code, "detail": answer.problem().unwrap()["errors"][0]["detail"]})
        );
        let row = json!({"user_id": id, "variant": "green", "assigned_at": ago(9).to_string()});
        let answer = admin.import("e", &[row]).await;
        assert_eq!(
            answer["assignments"][0]["errors"][0]["code"], code,
            "{answer}"
        );
    }
    for path in ["%FF", "%C3%28", "a%00b"] {
        let answer = admin
            .get(&format!("/experiments/e/assignment/{path}"))
            .await;
        assert_eq!(answer.code(400), "bad_parameters", "{path}");
    }
    assert_eq!(world.contents().await, before);
}
