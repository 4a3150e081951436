//! `null` in optional fields: what the API accepts is what the document describes.

use super::api::Api;
use serde_json::json;

#[tokio::test]
async fn null_counts_as_missing_in_every_optional_field() {
    let api = Api::start().await;
    let variants = json!([{"key": "a", "percent": 50, "name": null}, {"key": "b", "percent": 50}]);
    let metric = json!({"key": "n", "kind": "count", "event_type": "buy", "name": null, "role": null, "direction": null, "margin": null, "cap_percentile": null});
    let ratio = json!({"key": "r", "kind": "ratio", "event_type": "buy", "measure": null, "denominator": {"event_type": "buy", "measure": null}});
    let plan = json!({"metric": null, "minimum_detectable_effect": 0.1, "alpha": null, "power": null, "users": 200});
    let bodies = [
        (
            "/experiments",
            json!({
                "name": "N", "variants": variants, "id": null, "description": null, "status": null, "traffic_percent": null,
                "dimensions": null, "metrics": null, "plan": null, "starts_at": null, "ends_at": null, "hash_seed": null, "shards": null,
            }),
        ),
        (
            "/experiments",
            json!({
                "name": "N", "variants": variants, "id": "e", "metrics": [metric, ratio], "plan": plan, "dimensions": ["country"],
            }),
        ),
        (
            "/experiments/plan",
            json!({
                "metric": {"kind": "conversion", "key": null, "rate": 0.2}, "minimum_detectable_effect": 0.1, "variants": null,
                "traffic_percent": null, "users_per_day": null, "alpha": null, "power": null,
            }),
        ),
        (
            "/experiments/e/assignments",
            json!({"assignments": [
                {"user_id": "u", "variant": "a", "assigned_at": "2026-01-01T00:00:00Z", "attributes": null},
                {"user_id": "v", "variant": "a", "assigned_at": "2026-01-01T00:00:00Z", "attributes": {"country": null}},
            ]}),
        ),
        (
            "/events",
            json!({"user_id": "u", "type": "buy", "timestamp": null, "event_id": "1", "value": null, "properties": null, "sent_at": null}),
        ),
        (
            "/events",
            json!({"sent_at": null, "events": [{"user_id": "u", "type": "buy", "timestamp": "2026-01-02T00:00:00Z", "event_id": null}]}),
        ),
        ("/experiments/e/audit", json!({"repair": null})),
        (
            "/flags",
            json!({
                "key": "f", "name": "N", "value_type": "object", "variants": [{"key": "a", "value": {"b": null}, "name": null}],
                "description": null, "owner": null, "tags": null, "schema": null, "environments": null, "prerequisites": null,
            }),
        ),
        (
            "/flags",
            json!({
                "key": "g", "name": "N", "value_type": "string", "variants": [{"key": "a", "value": ""}],
                "environments": {
                    "staging": null,
                    "production": {"enabled": true, "off_variant": "a", "default_variant": "a", "rules": [
                        {"id": "s", "type": "serve", "variant": "a", "description": null, "condition": null, "starts_at": null, "ends_at": null},
                        {"id": "r", "type": "rollout", "variants": [{"variant": "a", "percent": 100}], "traffic_percent": null, "ramp": null,
                            "attribute": null, "hash_seed": null},
                        {"id": "e", "type": "experiment", "experiment": "e", "variants": {"a": "a", "b": "a"}, "description": null},
                    ]},
                },
            }),
        ),
        ("/ofrep/v1/evaluate/flags", json!({"context": null})),
        (
            "/ofrep/v1/evaluate/flags",
            json!({"context": {"targetingKey": null}}),
        ),
        (
            "/flags/g/evaluate",
            json!({"attributes": null, "environment": null}),
        ),
    ];
    for (path, body) in bodies {
        // `Api` checks that the document describes each body that the API accepts.
        let answer = api.post(path, body).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        assert!(
            answer.body.get("rejected").is_none_or(|n| n == 0),
            "{}",
            answer.text
        );
    }
    let event = api.document.at("/components/schemas/Event");
    for wrong in [
        json!({"user_id": "u", "type": "buy", "timestamp": null, "event_id": null}),
        json!({"user_id": null, "type": "buy", "event_id": "1"}),
    ] {
        assert!(!api.document.faults(event, &wrong).is_empty(), "{wrong}");
        assert_eq!(api.post("/events", wrong).await.status, 422);
    }
}
