//! Answers of a running platform. `Api` checks each of them against the document.

use super::api::{Api, CheckedAnswer};
use super::document::Document;
use serde_json::{Value, json};

pub(crate) fn variants() -> Value {
    json!([{"key": "control", "percent": 50}, {"key": "green", "percent": 50, "name": "Green"}])
}

pub(crate) fn experiment(id: &str) -> Value {
    json!({"id": id, "name": "Checkout", "variants": variants()})
}

#[tokio::test]
async fn the_lifecycle_of_an_experiment_conforms_to_the_document() {
    let api = Api::start().await;
    api.get("/health").await;
    let generated = api
        .post("/experiments", json!({"name": "N", "variants": variants()}))
        .await;
    assert_eq!(generated.status, 201);
    let path = format!("/experiments/{}", generated.at("/id").as_str().unwrap());
    assert_eq!(generated.headers["location"], path);
    assert_eq!(generated.headers["etag"], "\"1\"");
    let full = api
        .post(
            "/experiments",
            json!({
                "id": "full", "name": "Full", "description": "All of it.", "status": "draft",
                "variants": variants(), "traffic_percent": 12.5, "dimensions": ["country"],
                "ramp": [{"at": "2026-02-01T00:00:00+01:00", "traffic_percent": 50}, {"at": "2099-01-01T00:00:00Z", "traffic_percent": 100}],
                "targeting": {"country": {"$in": ["DE"]}},
                "hypothesis": "Green sells.", "owner": "shop team", "tags": ["shop", "q4"],
                "links": [{"url": "https://example.com/spec", "title": "Spec"}, {"url": "http://example.com"}],
                "overrides": [{"variant": "green", "users": ["ann"]}, {"variant": "control", "condition": {"staff": true}}], "hash_seed": "seed", "shards": 2,
                "starts_at": "2026-01-01T00:00:00+01:00", "ends_at": "2099-01-01T00:00:00Z",
                "plan": {"metric": "buys", "minimum_detectable_effect": 0.1, "users": 20_000},
                "metrics": [
                    {"key": "buys", "kind": "conversion", "event_type": "buy", "role": "primary"},
                    {"key": "worth", "kind": "sum", "event_type": "buy", "name": "Worth"},
                    {"key": "errors", "kind": "count", "event_type": "error", "role": "guardrail", "direction": "decrease"},
                ],
            }),
        )
        .await;
    assert_eq!(full.status, 201);
    let draft = api.post("/experiments/full/audit", json!({})).await;
    assert_eq!(draft.status, 409);
    all_documented(&draft);
    for change in [
        json!({"name": "Fuller", "description": null, "starts_at": null}),
        json!({"plan": {"minimum_detectable_effect": -0.1, "alpha": 0.1, "power": 0.9, "users": 2}}),
        json!({"plan": null}),
        json!({"status": "running", "metrics": [], "traffic_percent": 100, "dimensions": ["country", "platform"]}),
        json!({"status": "paused", "variants": [{"key": "control", "percent": 10}, {"key": "green", "percent": 90}]}),
        json!({"status": "running"}),
        json!({"ends_at": "2098-01-01T00:00:00Z"}),
        json!({"ramp": [], "targeting": {"country": "DE"}, "overrides": []}),
        json!({"ramp": [{"at": "2099-01-01T00:00:00Z", "traffic_percent": 0}], "targeting": null}),
        json!({"ramp": null}),
        json!({"hypothesis": null, "owner": null, "tags": [], "links": [], "reason": "cleaned up"}),
        json!({"status": "stopped", "conclusion": {"outcome": "won", "variant": "green", "notes": "4% more."}}),
        json!({"conclusion": {"outcome": "lost"}}),
        json!({"conclusion": null}),
        json!({"release": "green"}),
        json!({"release": null}),
        json!({"release": "control", "conclusion": {"outcome": "stopped_early", "notes": null}}),
        json!({"status": "archived"}),
    ] {
        let before = api.get("/experiments/full").await;
        let tag = before.headers["etag"].to_str().unwrap();
        let change = Some(change.to_string());
        let changed = api
            .call("patch", "/experiments/full", &[("if-match", tag)], change)
            .await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_ne!(changed.headers["etag"], tag);
    }
    api.settle().await;
    let told = api.get("/experiments/full?notifications=true").await;
    assert_eq!(told.at("/notifications/0/kind"), "experiment_ended");
    let repaired = api
        .post("/experiments/full/audit", json!({"repair": true}))
        .await;
    assert!(repaired.at("/backfill_started").is_u64());
    let audited = api.call("post", "/experiments/full/audit", &[], None).await;
    assert_eq!(audited.at("/generation"), repaired.at("/backfill_started"));
    let page = api.get("/experiments?limit=1").await;
    let cursor = page.at("/next_cursor").as_str().unwrap();
    api.get(&format!("/experiments?limit=1&cursor={cursor}"))
        .await;
    let archived = api.get("/experiments?status=archived").await;
    assert_eq!(archived.at("/experiments/0/id"), "full");
}

#[tokio::test]
async fn plans_conform_to_the_document() {
    let api = Api::start().await;
    let three = json!([{"key": "a", "percent": 50}, {"key": "b", "percent": 30}, {"key": "c", "percent": 20}]);
    for request in [
        json!({"metric": {"kind": "conversion", "rate": 0.19}, "minimum_detectable_effect": -0.02}),
        json!({"metric": {"kind": "conversion", "key": "buys", "rate": 0.6}, "minimum_detectable_effect": 0.5, "users_per_day": 20}),
        json!({"metric": {"kind": "sum", "mean": 12.5, "standard_deviation": 80}, "minimum_detectable_effect": 0.1, "variants": three,
            "traffic_percent": 20, "users_per_day": 5000, "alpha": 0.1, "power": 0.9}),
        json!({"metric": {"kind": "count", "mean": -3, "standard_deviation": 0.001}, "minimum_detectable_effect": 2}),
        json!({"metric": {"kind": "conversion", "rate": 0.000001}, "minimum_detectable_effect": 0.00001, "users_per_day": 1}),
    ] {
        let answer = api.post("/experiments/plan", request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        all_documented(&answer);
    }
    let orders = json!({"event_type": "buy", "measure": "count"});
    let mut earlier = experiment("earlier");
    earlier["metrics"] = json!([
        {"key": "buys", "kind": "conversion", "event_type": "buy"},
        {"key": "worth", "kind": "sum", "event_type": "buy"},
        {"key": "per-order", "kind": "ratio", "event_type": "buy", "denominator": orders},
        {"key": "median", "kind": "quantile", "event_type": "buy", "quantile": 0.5},
    ]);
    api.post("/experiments", earlier).await;
    let rows: Vec<Value> = (0..9)
        .map(|user| json!({"user_id": format!("u{user}"), "variant": "control", "assigned_at": "2026-01-01T00:00:00Z"}))
        .collect();
    let rows = json!({ "assignments": rows });
    api.post("/experiments/earlier/assignments", rows).await;
    let buys: Vec<Value> = (0..5)
        .map(|user| json!({"user_id": format!("u{user}"), "type": "buy", "value": user, "timestamp": "2026-01-02T00:00:00Z"}))
        .collect();
    api.post("/events", json!({ "events": buys })).await;
    let request = |experiment: &str, metric: &str| {
        let metric = json!({"experiment_id": experiment, "metric": metric});
        json!({"metric": metric, "minimum_detectable_effect": 0.1})
    };
    for metric in ["buys", "worth", "per-order"] {
        let answer = api
            .post("/experiments/plan", request("earlier", metric))
            .await;
        assert_eq!(answer.at("/baseline/users"), 9, "{}", answer.text);
    }
    api.post("/experiments", experiment("empty")).await;
    for (experiment, metric) in [
        ("earlier", "median"),
        ("earlier", "sells"),
        ("earlier", "a b"),
        ("empty", "buys"),
        ("nowhere", "buys"),
    ] {
        let answer = api
            .post("/experiments/plan", request(experiment, metric))
            .await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        all_documented(&answer);
    }
}

#[tokio::test]
async fn assignments_conform_to_the_document() {
    let api = Api::start().await;
    for (reason, change) in [
        ("not_running", json!({"status": "draft"})),
        ("not_started", json!({"starts_at": "2099-01-01T00:00:00Z"})),
        ("ended", json!({"ends_at": "2001-01-01T00:00:00Z"})),
        (
            "override",
            json!({"overrides": [{"variant": "green", "users": ["team/ann 😀"]}]}),
        ),
        (
            "targeting",
            json!({"targeting": {"country": {"$in": ["DE"]}}}),
        ),
        ("traffic", json!({"traffic_percent": 0})),
        ("new", json!({})),
    ] {
        let id = reason.replace('_', "-");
        let mut body = experiment(&id);
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(api.post("/experiments", body).await.status, 201);
        let answer = api
            .get(&format!(
                "/experiments/{id}/assignment/team%2Fann%20%F0%9F%98%80"
            ))
            .await;
        assert_eq!(answer.at("/reason"), reason);
        assert_eq!(answer.at("/user_id"), "team/ann 😀");
    }
    let again = api
        .get("/experiments/new/assignment/team%2Fann%20%F0%9F%98%80")
        .await;
    assert_eq!(again.at("/reason"), "existing");
    for (status, reason) in [("paused", "paused"), ("stopped", "stopped")] {
        let body = experiment(status);
        api.post("/experiments", body).await;
        let change = json!({ "status": status }).to_string();
        let path = format!("/experiments/{status}");
        api.call("patch", &path, &[("if-match", "*")], Some(change))
            .await;
        let answer = api.get(&format!("{path}/assignment/ann")).await;
        assert_eq!(answer.at("/reason"), reason);
    }

    for path in ["targeting", "override", "traffic"] {
        let path = format!("/experiments/{path}/assignment/ann?enroll=false&attributes.country=DE");
        assert!(api.get(&path).await.at("/trace").is_array());
    }
    for body in [
        json!({"user_id": "ann"}),
        json!({"user_id": "ann", "attributes": {"country": "DE", "nested": {"a": [1, null]}}, "enroll": false}),
        json!({"user_id": "bob", "attributes": null, "experiments": ["targeting", "new"], "enroll": null}),
    ] {
        let answer = api.post("/assignments", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let users = json!({"users": [{"user_id": "ann", "attributes": {"country": "DE"}}, {"user_id": "carol"}]});
    let answer = api
        .post("/experiments/targeting/assignments:evaluate", users)
        .await;
    assert_eq!(answer.at("/assignments/0/reason"), "new");
    let history = api.get("/experiments/paused/history?limit=1").await;
    assert_eq!(history.at("/entries/0/version"), 2);

    let mut dimensioned = experiment("dimensioned");
    dimensioned["dimensions"] = json!(["country", "platform"]);
    api.post("/experiments", dimensioned).await;
    let path = "/experiments/dimensioned/assignment/ann?country=DE";
    for reason in ["new", "existing"] {
        let answer = api.get(path).await;
        assert_eq!(answer.at("/reason"), reason);
        assert_eq!(answer.at("/attributes"), &json!({"country": "DE"}));
    }
    let row = json!({"user_id": "bob", "variant": "green", "assigned_at": "2026-01-01T00:00:00Z", "attributes": {"platform": "ios"}});
    let rows = json!({ "assignments": [row] });
    let imported = api.post("/experiments/dimensioned/assignments", rows).await;
    assert_eq!(imported.at("/stored"), 1);

    let rows = json!({"assignments": [
        {"user_id": "old", "variant": "green", "assigned_at": "2026-01-01T00:00:00Z"},
        {"user_id": "team/ann 😀", "variant": "green", "assigned_at": "2026-01-01T00:00:00Z"},
        {"user_id": "", "variant": "blue", "assigned_at": "2099-01-01T00:00:00Z"},
    ]});
    let imported = api.post("/experiments/new/assignments", rows).await;
    let statuses = ["stored", "existing", "rejected"];
    for (index, status) in statuses.into_iter().enumerate() {
        assert_eq!(imported.at(&format!("/assignments/{index}/status")), status);
    }
    all_documented(&imported);
}

#[tokio::test]
async fn events_and_their_results_conform_to_the_document() {
    let api = Api::start().await;
    let mut body = experiment("e");
    body["metrics"] = json!([
        {"key": "buys", "kind": "conversion", "event_type": "buy", "role": "primary"},
        {"key": "worth", "kind": "sum", "event_type": "buy"},
        {"key": "views", "kind": "count", "event_type": "view"},
    ]);
    api.post("/experiments", body).await;
    api.post("/experiments", experiment("seen")).await;
    let mut ended = experiment("ended");
    ended["ends_at"] = json!("2026-02-01T00:00:00Z");
    api.post("/experiments", ended).await;
    for path in [
        "/experiments/e/results",
        "/experiments/e/results?view=summary",
    ] {
        api.get(path).await; // no users yet
    }

    let rows: Vec<Value> = (0..60)
        .map(|user| json!({"user_id": format!("u{user}"), "variant": if user % 2 == 0 { "control" } else { "green" }, "assigned_at": "2026-01-01T00:00:00Z"}))
        .collect();
    for id in ["e", "seen"] {
        let path = format!("/experiments/{id}/assignments");
        api.post(&path, json!({ "assignments": rows })).await;
    }
    let late = json!({"assignments": [{"user_id": "late", "variant": "green", "assigned_at": "2026-01-01T00:00:00Z"}]});
    api.post("/experiments/ended/assignments", late).await;

    let one = json!({"user_id": "u1", "type": "buy", "value": 19.99, "event_id": "one", "properties": {"a": [1]}, "sent_at": "2026-01-02T00:00:00Z", "timestamp": "2026-01-02T00:00:00Z"});
    for status in ["stored", "duplicate"] {
        let answer = api.post("/events", one.clone()).await;
        assert_eq!(answer.at("/events/0/status"), status);
    }
    let buys: Vec<Value> = (0..60)
        .filter(|user| user % 3 != 0)
        .map(|user| json!({"user_id": format!("u{user}"), "type": "buy", "value": f64::from(user) / 4.0, "timestamp": "2026-01-02T00:00:00Z"}))
        .collect();
    api.post(
        "/events",
        json!({"sent_at": "2026-01-02T00:00:00Z", "events": buys}),
    )
    .await;
    let mixed = json!({"events": [
        {"user_id": "unknown", "type": "buy", "event_id": "a"},
        {"user_id": "u1", "type": "buy", "timestamp": "2025-01-01T00:00:00Z"},
        {"user_id": "late", "type": "buy", "timestamp": "2026-03-01T00:00:00Z"},
        {"user_id": "u1", "type": "buy", "timestamp": "2099-01-01T00:00:00Z", "value": "1", "kind": 1},
        7,
    ]});
    let mixed = api.post("/events", mixed).await;
    for (index, reason) in ["no_assignment", "before_assignment", "experiment_ended"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(mixed.at(&format!("/events/{index}/reason")), reason);
    }
    all_documented(&mixed);

    for query in [
        "",
        "?view=summary",
        "?format=csv",
        "?metrics=buys,views&from=2026-01-01T00:00:00Z&to=2099-01-01T00:00:00Z&source=raw&format=json&view=analysis",
        "?to=2025-01-01T00:00:00Z",
    ] {
        for id in ["e", "seen"] {
            let answer = api.get(&format!("/experiments/{id}/results{query}")).await;
            assert_eq!(answer.status, 200, "{query}");
            all_documented(&answer);
        }
    }
    let report = api.get("/experiments/e/results").await;
    assert!(
        report
            .at("/metrics/0/comparisons/0/absolute/p_value")
            .is_f64()
    );
    assert!(
        report
            .at("/metrics/1/comparisons/0/relative/estimate")
            .is_f64()
    );
    assert_eq!(
        report.at("/metrics/2/comparisons/0/missing/0/what"),
        "absolute"
    );
}

#[tokio::test]
async fn export_and_erasure_of_a_user_conform_to_the_document() {
    let api = Api::start().await;
    let mut dimensioned = experiment("e");
    dimensioned["dimensions"] = json!(["country", "platform"]);
    api.post("/experiments", dimensioned).await;
    let row = json!({"user_id": "a/b", "variant": "green", "assigned_at": "2026-01-02T00:00:00Z", "attributes": {"platform": "ios"}});
    let rows = json!({ "assignments": [row] });
    api.post("/experiments/e/assignments", rows.clone()).await;
    let event = |at: &str| json!({"user_id": "a/b", "type": "buy", "value": -1.5, "timestamp": at, "properties": {"a": [1]}});
    let events = json!({"events": [event("2026-01-01T00:00:00Z"), event("2026-01-03T00:00:00Z")]});
    api.post("/events", events.clone()).await;
    // On a local platform, results wait until all records are aggregated.
    api.send("get", "/experiments/e/results", &[], None).await;
    let shown = api.get("/users/a%2Fb").await;
    assert_eq!(shown.at("/sums/0/hours/0/value"), "-1.5");
    assert_eq!(shown.at("/sums/0/enrolment/pre_exposure/0/events"), 1);
    for experiments in [json!(["e"]), json!([])] {
        let erased = api.call("delete", "/users/a%2Fb", &[], None).await;
        assert_eq!(*erased.at("/experiments"), experiments);
    }
    let left = api.get("/users/a%2Fb").await;
    assert!(left.at("/erased/until").is_string());
    let assigned = api.get("/experiments/e/assignment/a%2Fb").await;
    assert_eq!(assigned.at("/reason"), "erased");
    for (path, body) in [("/events", events), ("/experiments/e/assignments", rows)] {
        let refused = api.post(path, body).await;
        assert_eq!(refused.at("/stored"), 0);
        all_documented(&refused);
    }
    for answer in [assigned, api.get("/users/unknown").await] {
        assert_eq!(answer.status, 200);
        all_documented(&answer);
    }
}

/// Checks that docs/api.md mentions every `code` and `reason` in an answer.
pub(crate) fn all_documented(answer: &CheckedAnswer) {
    documented(&answer.body);
}

fn documented(value: &Value) {
    match value {
        Value::Object(object) => {
            for name in ["code", "reason", "errorCode", "skipped"] {
                if let Some(code) = object.get(name).and_then(Value::as_str) {
                    let known = Document::guide().contains(&format!("`{code}`"));
                    assert!(known, "docs/api.md does not mention `{code}`");
                }
            }
            object.values().for_each(documented);
        }
        Value::Array(array) => array.iter().for_each(documented),
        _ => {}
    }
}
