//! Guarded ramps: steps that do not begin while a guardrail is worse.

use super::support::{Caller, World, ago, expected};
use serde_json::{Value, json};
use std::time::Duration;

const GUARDRAIL: &str = "errors";

fn metrics() -> Value {
    json!([{
        "key": GUARDRAIL, "event_type": "error", "kind": "conversion", "direction": "decrease", "role": "guardrail",
    }])
}

/// An experiment whose ramp waits while the guardrail is worse.
pub(crate) fn guarded() -> Value {
    let ramp = json!([{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100, "on_worse_guardrail": "hold"}]);
    json!({"traffic_percent": 50, "ramp": ramp, "metrics": metrics()})
}

/// Users of both variants in turn.
pub(crate) fn rows(name: &str, number: usize) -> Vec<Value> {
    let row = |user: usize| {
        let variant = ["control", "green"][user % 2];
        let assigned_at = ago(60).to_string();
        json!({"user_id": format!("{name}{user}"), "variant": variant, "assigned_at": assigned_at})
    };
    (0..number).map(row).collect()
}

/// An error of each of these users of the treatment.
pub(crate) fn errors(name: &str, number: usize) -> Vec<Value> {
    let now = ago(0).to_string();
    let event = |user: usize| json!({"user_id": format!("{name}{user}"), "type": "error", "timestamp": now});
    (1..number).step_by(2).map(event).collect()
}

/// Imports users of both variants. Those of the treatment have an error each, if wanted.
async fn users(admin: &Caller, world: &World, name: &str, number: usize, has_errors: bool) {
    admin.import("e", &rows(name, number)).await;
    if has_errors {
        let tracked = admin.track(&errors(name, number)).await;
        assert_eq!(tracked["stored"], number / 2);
    }
    world.platform.settle().await;
}

async fn read(admin: &Caller) -> Value {
    admin.get("/experiments/e").await.json(200)
}

/// Waits until the definition is as wanted, while new users arrive.
async fn until(
    admin: &Caller,
    world: &World,
    name: &str,
    is_reached: impl Fn(&Value) -> bool,
) -> Value {
    for attempt in 0..20 {
        let experiment = read(admin).await;
        if is_reached(&experiment) {
            return experiment;
        }
        users(admin, world, &format!("{name}{attempt}-"), 2, false).await;
    }
    panic!("not reached: {}", read(admin).await)
}

fn is_held(experiment: &Value) -> bool {
    experiment.get("ramp_hold").is_some()
}

#[tokio::test]
async fn a_guarded_step_waits_while_a_guardrail_is_worse() {
    let world = World::start().await;
    let admin = world.admin();
    let step = ago(-20);
    let ramp =
        json!([{"at": step.to_string(), "traffic_percent": 100, "on_worse_guardrail": "hold"}]);
    let fields = json!({"traffic_percent": 50, "ramp": ramp, "metrics": metrics()});
    admin.experiment("e", fields).await;
    users(&admin, &world, "bad", 200, true).await;
    let held = until(&admin, &world, "more", is_held).await;
    assert_eq!(held["ramp_hold"]["guardrails"], json!([GUARDRAIL]));
    assert_eq!(held["ramp_hold"]["traffic_percent"], 50.0);
    assert_eq!(held["phases"].as_array().unwrap().len(), 1);
    let history = admin.get("/experiments/e/history").await.json(200);
    let last = &history["entries"][0];
    assert_eq!(last["by"], "guarded-ramp");
    let reason = "The guardrail `errors` is worse, so the ramp is on hold.";
    assert_eq!(last["reason"], reason);

    while ago(0) < step {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut reasons: Vec<String> = Vec::new();
    for user in 0..30 {
        let answer = admin.assign("e", &format!("new{user}")).await;
        reasons.push(answer["reason"].as_str().unwrap().to_owned());
    }
    assert!(reasons.iter().any(|reason| reason == "traffic"));

    for user in (1..200).step_by(2) {
        let path = format!("/users/bad{user}");
        admin.send("DELETE", &path, &[], "").await.json(200);
    }
    let resumed = until(&admin, &world, "good", |experiment| !is_held(experiment)).await;
    let begins = resumed["ramp"][0]["at"].as_str().unwrap();
    assert!(begins > step.to_string().as_str());
    assert_eq!(resumed["phases"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_worse_guardrail_brings_the_traffic_from_before_the_step_back() {
    let world = World::start().await;
    let admin = world.admin();
    let ramp = json!([
        {"at": "2026-01-01T00:00:00Z", "traffic_percent": 20, "on_worse_guardrail": "roll_back"},
        {"at": "2099-01-01T00:00:00Z", "traffic_percent": 100},
    ]);
    let fields = json!({"traffic_percent": 5, "ramp": ramp, "metrics": metrics()});
    admin.experiment("e", fields).await;
    users(&admin, &world, "bad", 200, true).await;
    let back = until(&admin, &world, "more", is_held).await;
    assert_eq!(back["ramp_hold"]["traffic_percent"], 5.0);
    let phases = back["phases"].as_array().unwrap().iter();
    let traffic: Vec<_> = phases
        .map(|phase| phase["traffic_percent"].clone())
        .collect();
    assert_eq!(traffic, [20.0, 5.0]);

    // A change by the caller decides otherwise.
    let changed = admin
        .change("e", &json!({"traffic_percent": 10}))
        .await
        .json(200);
    assert_eq!(
        (is_held(&changed), changed.get("roll_back_percent")),
        (false, None)
    );
    users(&admin, &world, "later", 2, false).await;
    assert_eq!(read(&admin).await["traffic_percent"], 10.0);
}

#[tokio::test]
async fn nothing_is_held_without_a_worse_guardrail_or_without_a_guarded_step() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", guarded()).await;
    users(&admin, &world, "good", 200, false).await;
    assert!(!is_held(&read(&admin).await));
    let ramp = json!({"ramp": [{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100}]});
    let changed = admin.change("e", &ramp).await.json(200);
    users(&admin, &world, "bad", 200, true).await;
    assert_eq!(read(&admin).await["version"], changed["version"]);
}

#[tokio::test]
async fn a_guarded_step_needs_a_guardrail() {
    let world = World::start().await;
    let admin = world.admin();
    let ramp = json!([{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100, "on_worse_guardrail": "hold"}]);
    let body = json!({
        "id": "e", "name": "E", "ramp": ramp,
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
    });
    let refused = admin.post("/experiments", &body).await;
    assert_eq!(refused.faults(), expected([("/ramp", "no_guardrail")]));
    admin
        .experiment("e", json!({"ramp": ramp, "metrics": metrics()}))
        .await;
    let refused = admin.change("e", &json!({"metrics": []})).await;
    assert_eq!(refused.code(409), "no_guardrail");
    let removed = json!({"metrics": [], "ramp": null});
    admin.change("e", &removed).await.json(200);
    let refused = admin.change("e", &json!({ "ramp": ramp })).await;
    assert_eq!(refused.code(409), "no_guardrail");
    let refused = admin.change("e", &json!({"ramp": [{"at": "2099-01-01T00:00:00Z", "traffic_percent": 1, "on_worse_guardrail": "stop"}]})).await;
    let pointer = "/ramp/0/on_worse_guardrail";
    assert_eq!(refused.faults(), expected([(pointer, "not_a_choice")]));
}
