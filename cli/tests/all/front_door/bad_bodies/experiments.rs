//! All faults that an experiment can have.

use super::{routes, world};
use serde_json::{Value, json};

/// Fields that make a valid experiment invalid, each with the pointer and the code of the fault.
fn bad_experiments() -> Vec<(Value, &'static str, &'static str)> {
    let variant = |key: &str, percent: Value| json!({"key": key, "percent": percent});
    let two = |a: Value, b: Value| json!({"variants": [variant("a", a), variant("b", b)]});
    let many: Vec<_> = (0..21)
        .map(|n| variant(&format!("v{n}"), json!(0)))
        .collect();
    let metric = |key: &str, kind: &str| json!({"key": key, "kind": kind, "event_type": "t"});
    vec![
        (json!({"name": ""}), "/name", "empty"),
        (json!({"name": "  \t"}), "/name", "empty"),
        (json!({"name": "x".repeat(201)}), "/name", "too_long"),
        (json!({"name": "a\u{0}b"}), "/name", "control_character"),
        (json!({"name": 7}), "/name", "wrong_type"),
        (json!({"name": null}), "/name", "required"),
        (
            json!({"description": "x".repeat(4001)}),
            "/description",
            "too_long",
        ),
        (json!({"id": "with space"}), "/id", "bad_characters"),
        (json!({"id": "a#b"}), "/id", "bad_characters"),
        (json!({"id": "-a"}), "/id", "bad_characters"),
        (json!({"id": "é"}), "/id", "bad_characters"),
        (json!({"id": "x".repeat(65)}), "/id", "too_long"),
        (json!({"id": ""}), "/id", "empty"),
        (json!({"id": "plan"}), "/id", "reserved"),
        (json!({"status": "stopped"}), "/status", "not_a_choice"),
        (json!({"status": "RUNNING"}), "/status", "not_a_choice"),
        (json!({"variants": null}), "/variants", "required"),
        (json!({"variants": {}}), "/variants", "wrong_type"),
        (json!({"variants": []}), "/variants", "wrong_number"),
        (
            json!({"variants": [variant("a", json!(100))]}),
            "/variants",
            "wrong_number",
        ),
        (json!({"variants": many}), "/variants", "too_many"),
        (two(json!(50), json!(49.9)), "/variants", "wrong_sum"),
        (two(json!(0), json!(0)), "/variants", "wrong_sum"),
        (two(json!(100), json!(100)), "/variants", "wrong_sum"),
        (
            two(json!(-1), json!(101)),
            "/variants/0/percent",
            "not_a_percentage",
        ),
        (
            two(json!("50"), json!(50)),
            "/variants/0/percent",
            "wrong_type",
        ),
        (
            two(json!(null), json!(50)),
            "/variants/0/percent",
            "required",
        ),
        (
            json!({"variants": [variant("a", json!(50)), variant("a", json!(50))]}),
            "/variants/1/key",
            "duplicate_key",
        ),
        (
            json!({"variants": [variant("a b", json!(50)), variant("a", json!(50))]}),
            "/variants/0/key",
            "bad_characters",
        ),
        (
            json!({"traffic_percent": 101}),
            "/traffic_percent",
            "not_a_percentage",
        ),
        (
            json!({"traffic_percent": "all"}),
            "/traffic_percent",
            "wrong_type",
        ),
        (
            json!({"metrics": [metric("m", "mean")]}),
            "/metrics/0/kind",
            "not_a_choice",
        ),
        (
            json!({"metrics": [metric("m", "sum"), metric("m", "count")]}),
            "/metrics/1/key",
            "duplicate_key",
        ),
        (
            json!({"metrics": [{"key": "m", "kind": "sum"}]}),
            "/metrics/0/event_type",
            "required",
        ),
        (
            json!({"metrics": vec![metric("m", "sum"); 101]}),
            "/metrics",
            "too_many",
        ),
        (
            json!({"starts_at": "2026-02-30T00:00:00Z"}),
            "/starts_at",
            "not_a_time",
        ),
        (
            json!({"starts_at": "2026-02-03"}),
            "/starts_at",
            "not_a_time",
        ),
        (
            json!({"ends_at": "2026-02-03T00:00:00"}),
            "/ends_at",
            "not_a_time",
        ),
        (
            json!({"ends_at": "1969-12-31T23:59:59Z"}),
            "/ends_at",
            "time_out_of_range",
        ),
        (json!({"ends_at": 1_770_000_000}), "/ends_at", "wrong_type"),
        (
            json!({"starts_at": "2026-02-03T00:00:00Z", "ends_at": "2026-02-03T00:00:00Z"}),
            "/ends_at",
            "ends_before_start",
        ),
        (json!({"shards": 0}), "/shards", "out_of_range"),
        (json!({"shards": 257}), "/shards", "out_of_range"),
        (json!({"shards": 1.5}), "/shards", "out_of_range"),
        (json!({"hash_seed": ""}), "/hash_seed", "empty"),
        (json!({"constructor": 1}), "/constructor", "unknown_field"),
    ]
}

#[tokio::test]
async fn every_fault_of_an_experiment_is_reported_with_its_pointer() {
    let world = world().await;
    let before = world.contents().await;
    for (fields, pointer, code) in bad_experiments() {
        let mut body = routes()[0].2.clone();
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = world.admin().post("/experiments", &body).await;
        assert_eq!(answer.code(422), "invalid", "{fields}");
        let problem = answer.problem().unwrap();
        let faults = problem["errors"].as_array().unwrap();
        let found = faults
            .iter()
            .any(|fault| fault["pointer"] == pointer && fault["code"] == code);
        assert!(found, "{fields}: {problem}");
    }
    assert_eq!(world.contents().await, before);
}
