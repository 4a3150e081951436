//! Refused calls: each answer is a problem document with a code that the guide explains.

use super::answers::{all_documented, experiment, variants};
use super::api::{Api, CheckedAnswer};
use serde_json::json;

#[tokio::test]
async fn refusals_conform_to_the_document_and_their_codes_are_in_the_guide() {
    let mut api = Api::start().await;
    let mut dimensioned = experiment("e");
    dimensioned["dimensions"] = json!(["country"]);
    api.post("/experiments", dimensioned).await;
    let mut draft = experiment("draft");
    draft["status"] = json!("draft");
    api.post("/experiments", draft).await;

    let bodies = [
        (400, "malformed_json", "{".to_owned()),
        (400, "body_missing", String::new()),
        (400, "too_deep", "[".repeat(40)),
        (400, "malformed_json", format!("\u{feff}{}", experiment("m"))),
        (413, "body_too_large", " ".repeat(1024 * 1024 + 1)),
        (409, "id_taken", experiment("e").to_string()),
        (422, "invalid", json!({"name": "", "id": "-", "variants": [{"key": "a b", "percent": 101}], "metrics": [{"kind": "mean"}], "dimensions": ["phase", "phase", "A"], "shards": 0, "starts_at": "soon", "ends_at": "1901-01-01T00:00:00Z", "colour": 1}).to_string()),
        (422, "invalid", json!({"name": "x".repeat(201), "variants": [{"key": "a", "percent": 1}, {"key": "a", "percent": 1}], "starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}).to_string()),
        (422, "invalid", r#"{"name": "a", "name": "\ud800", "variants": []}"#.to_owned()),
    ];
    for (status, code, body) in bodies {
        let answer = api.call("post", "/experiments", &[], Some(body)).await;
        refused(&answer, status, code);
    }

    let key = [("idempotency-key", "k")];
    for (name, status) in [("one", 201), ("one", 201), ("two", 409)] {
        let body = json!({"name": name, "variants": variants()}).to_string();
        let answer = api.call("post", "/experiments", &key, Some(body)).await;
        assert_eq!(answer.status, status);
        all_documented(&answer);
    }
    let long = "k".repeat(256);
    let key = [("idempotency-key", long.as_str())];
    let answer = api
        .call(
            "post",
            "/experiments",
            &key,
            Some(experiment("k").to_string()),
        )
        .await;
    refused(&answer, 400, "bad_idempotency_key");

    let e = "/experiments/e";
    for (tag, change, status, code) in [
        (None, json!({}), 428, "if_match_required"),
        (Some("1"), json!({}), 400, "bad_if_match"),
        (Some("\"7\""), json!({}), 412, "stale_version"),
        (
            Some("*"),
            json!({"status": "draft"}),
            409,
            "illegal_transition",
        ),
        (
            Some("*"),
            json!({"starts_at": "2027-01-01T00:00:00Z"}),
            409,
            "already_started",
        ),
        (
            Some("*"),
            json!({"variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}]}),
            409,
            "variants_in_use",
        ),
        (Some("*"), json!({"plan": null}), 409, "already_started"),
        (Some("*"), json!({}), 422, "invalid"),
        (
            Some("*"),
            json!({"name": null, "metrics": null}),
            422,
            "invalid",
        ),
        (
            Some("*"),
            json!({"dimensions": ["platform"]}),
            409,
            "dimensions_in_use",
        ),
        (Some("*"), json!({"status": "stopped"}), 200, ""),
        (
            Some("*"),
            json!({"traffic_percent": 1, "ends_at": null}),
            409,
            "experiment_over",
        ),
        (Some("*"), json!({"status": "archived"}), 200, ""),
        (Some("*"), json!({"name": "x"}), 409, "archived"),
    ] {
        let headers: Vec<_> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
        let answer = api
            .call("patch", e, &headers, Some(change.to_string()))
            .await;
        if status == 200 {
            assert_eq!(answer.status, 200);
        } else {
            refused(&answer, status, code);
        }
    }

    for (path, status, code) in [
        ("/experiments/nope", 404, "experiment_not_found"),
        (
            "/experiments?limit=0&cursor=x&status=live&live=1&limit=2",
            400,
            "bad_parameters",
        ),
        ("/experiments/e/assignment/a%0Ab", 400, "bad_parameters"),
        ("/experiments/e/assignment/%FF", 400, "bad_parameters"),
        (
            "/experiments/e/assignment/ann?country=(none)&platform=ios",
            400,
            "bad_parameters",
        ),
        (
            "/experiments/e/results?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z&view=x",
            400,
            "bad_parameters",
        ),
    ] {
        refused(&api.get(path).await, status, code);
    }
    let none = json!({"assignments": []});
    let answer = api.post("/experiments/draft/assignments", none).await;
    refused(&answer, 409, "not_started");
    let many: Vec<_> = (0..501)
        .map(|id| json!({"user_id": "u", "type": "t", "event_id": id.to_string()}))
        .collect();
    refused(
        &api.post("/events", json!({ "events": many })).await,
        422,
        "invalid",
    );
    let faulty = json!({"metric": {"kind": "conversion", "rate": 0.6}, "minimum_detectable_effect": 0.7, "alpha": 0.4, "power": 0.3});
    let faulty = api.post("/experiments/plan", faulty).await;
    refused(&faulty, 422, "invalid");
    let named = json!({"id": "plan", "name": "N", "variants": variants(), "plan": {"metric": "x", "minimum_detectable_effect": 0.1, "users": 2}});
    refused(&api.post("/experiments", named).await, 422, "invalid");
    let one = json!({"user_id": "u", "type": "t", "timestamp": "2099-01-01T00:00:00Z", "value": 1e10, "properties": {"p": "x".repeat(5000)}});
    refused(&api.post("/events", one).await, 422, "invalid");

    let unknown = api.send("delete", e, &[], None).await;
    assert_eq!(unknown.status, 404);
    let wrong = api.document.faults(
        &json!({"$ref": "#/components/schemas/Problem"}),
        &unknown.body,
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    all_documented(&unknown);
    let typed = api
        .send("post", "/events", &[("content-type", "text/plain")], None)
        .await;
    refused(&typed, 415, "unsupported_media_type");
    let encoding = [("content-encoding", "br")];
    let body = Some("{}".to_owned());
    let encoded = api.send("post", "/events", &encoding, body).await;
    refused(&encoded, 415, "unsupported_content_encoding");

    api.use_only_scope("track").await;
    refused(&api.get(e).await, 403, "forbidden");
    for token in ["", "assay_a-token-that-is-unknown"] {
        api.token = token.to_owned();
        let answer = api.get(e).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        refused(&answer, 401, "unauthorized");
    }
}

fn refused(answer: &CheckedAnswer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.at("/code")),
        (status, &json!(code)),
        "{}",
        answer.text
    );
    assert_eq!(answer.at("/status"), status);
    assert_eq!(
        answer.at("/type"),
        &json!(format!("urn:assay:problem:{code}"))
    );
    all_documented(answer);
}
