//! Faults of plan requests and of stored plans, and when a stored plan can change.

use super::support::World;
use serde_json::{Value, json};
use shared::http::routes::ROUTES;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Faults as pointers with codes.
pub(crate) fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let faults = problem["errors"].as_array().unwrap().iter();
    faults
        .map(|fault| (text(&fault["pointer"]), text(&fault["code"])))
        .collect()
}

#[tokio::test]
async fn all_faults_of_a_plan_request_are_reported_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    let request = json!({
        "metric": {"kind": "conversion", "rate": 19, "mean": 2, "key": "a b"},
        "minimum_detectable_effect": 0, "traffic_percent": 0, "users_per_day": 1.5, "alpha": 0.5, "power": 1, "days": 14,
        "variants": [{"key": "a", "percent": 100}, {"key": "b", "percent": 0}],
    });
    let answer = admin.post("/experiments/plan", &request).await;
    assert_eq!(answer.code(422), "invalid");
    let problem = answer.problem().unwrap();
    let mut found = faults(&problem);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("/alpha", "out_of_range"),
            ("/days", "unknown_field"),
            ("/metric/key", "bad_characters"),
            ("/metric/mean", "unknown_field"),
            ("/metric/rate", "out_of_range"),
            ("/minimum_detectable_effect", "out_of_range"),
            ("/power", "out_of_range"),
            ("/traffic_percent", "out_of_range"),
            ("/users_per_day", "out_of_range"),
            ("/variants/1/percent", "out_of_range"),
        ]
    );
    let rate = json!({"kind": "conversion", "rate": 0.6});
    for (request, pointer, code) in [
        (json!({}), "/metric", "required"),
        (
            json!({"metric": rate}),
            "/minimum_detectable_effect",
            "required",
        ),
        (json!({"metric": {}}), "/metric/kind", "required"),
        (
            json!({"metric": {"kind": "mode"}}),
            "/metric/kind",
            "not_a_choice",
        ),
        (
            json!({"metric": {"mean": 1, "experiment": "earlier"}}),
            "/metric/experiment",
            "unknown_field",
        ),
        (
            json!({"metric": {"kind": "conversion"}}),
            "/metric/rate",
            "required",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1}}),
            "/metric/standard_deviation",
            "required",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 0}}),
            "/metric/mean",
            "out_of_range",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1, "standard_deviation": 0}}),
            "/metric/standard_deviation",
            "out_of_range",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1e300, "standard_deviation": 1}}),
            "/metric/mean",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": -1}),
            "/minimum_detectable_effect",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": "2%"}),
            "/minimum_detectable_effect",
            "wrong_type",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": 0.7}),
            "/minimum_detectable_effect",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": 0.1, "alpha": 0.4, "power": 0.3}),
            "/power",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": 0.1, "users_per_day": 0}),
            "/users_per_day",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_detectable_effect": 0.1, "variants": []}),
            "/variants",
            "wrong_number",
        ),
    ] {
        let answer = admin.post("/experiments/plan", &request).await;
        assert_eq!(answer.code(422), "invalid", "{request}");
        let problem = answer.problem().unwrap();
        assert!(
            faults(&problem).contains(&(pointer, code)),
            "{request}: {problem}"
        );
    }
}

#[tokio::test]
async fn all_faults_of_a_stored_plan_are_reported_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buys", "kind": "conversion", "event_type": "buy"}]);
    let body = |plan: Value| {
        json!({"name": "N", "metrics": metrics, "plan": plan,
            "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]})
    };
    for (plan, expected) in [
        (
            json!({}),
            vec![
                ("/plan/minimum_detectable_effect", "required"),
                ("/plan/users", "required"),
            ],
        ),
        (json!(7), vec![("/plan", "wrong_type")]),
        (
            json!({"metric": "a b", "minimum_detectable_effect": -1, "alpha": 0, "power": 1, "users": 1, "size": 2}),
            vec![
                ("/plan/alpha", "out_of_range"),
                ("/plan/metric", "bad_characters"),
                ("/plan/minimum_detectable_effect", "out_of_range"),
                ("/plan/power", "out_of_range"),
                ("/plan/size", "unknown_field"),
                ("/plan/users", "out_of_range"),
            ],
        ),
        (
            json!({"metric": "sells", "minimum_detectable_effect": 0.1, "alpha": 0.2, "power": 0.2, "users": 2.5}),
            vec![
                ("/plan/power", "out_of_range"),
                ("/plan/users", "out_of_range"),
            ],
        ),
        (
            json!({"metric": "sells", "minimum_detectable_effect": 0.1, "users": 2}),
            vec![("/plan/metric", "unknown_metric")],
        ),
    ] {
        let problem = admin.post("/experiments", &body(plan)).await;
        assert_eq!(problem.code(422), "invalid");
        let problem = problem.problem().unwrap();
        let mut found = faults(&problem);
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    assert!(world.items("ExperimentsTable").await.is_empty());
    // Alpha and power have defaults.
    let plan = json!({"metric": "buys", "minimum_detectable_effect": 0.1, "users": 2});
    let made = admin.post("/experiments", &body(plan)).await.json(201);
    let kept = json!({"metric": "buys", "minimum_detectable_effect": 0.1, "alpha": 0.05, "power": 0.8, "users": 2});
    assert_eq!(made["plan"], kept);
}

#[tokio::test]
async fn a_plan_can_change_in_a_draft_and_never_after_the_start() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = |key: &str| json!({"key": key, "kind": "conversion", "event_type": "buy"});
    let plan = |users: u64| json!({"metric": "buys", "minimum_detectable_effect": 0.1, "alpha": 0.05, "power": 0.8, "users": users});
    let draft = json!({"status": "draft", "metrics": [metric("buys")], "plan": plan(2_000)});
    admin.experiment("e", draft).await;
    let changed = admin.change("e", &json!({"plan": plan(4_000)})).await;
    assert_eq!(changed.json(200)["plan"], plan(4_000));
    let removed = admin.change("e", &json!({"plan": null})).await.json(200);
    assert!(removed.get("plan").is_none());
    // The change must leave the plan's metric declared.
    let unknown = json!({"plan": plan(4_000), "metrics": [metric("sells")]});
    let refused = admin.change("e", &unknown).await;
    assert_eq!(refused.code(409), "unknown_metric");
    let pointer = &refused.problem().unwrap()["errors"][0]["pointer"];
    assert_eq!(pointer, "/plan/metric");
    let both = json!({"plan": plan(6_000), "metrics": [metric("sells"), metric("buys")]});
    assert_eq!(
        admin.change("e", &both).await.json(200)["plan"],
        plan(6_000)
    );

    let start = json!({"status": "running"});
    assert_eq!(
        admin.change("e", &start).await.json(200)["plan"],
        plan(6_000)
    );
    for next in ["running", "paused", "stopped"] {
        admin.change("e", &json!({"status": next})).await.json(200);
        for plan in [plan(6_000), plan(8_000), json!(null)] {
            let refused = admin.change("e", &json!({"plan": plan})).await;
            assert_eq!(refused.code(409), "already_started", "{next}");
            assert_eq!(refused.problem().unwrap()["errors"][0]["pointer"], "/plan");
        }
        // The plan's metric cannot be removed.
        let refused = admin.change("e", &json!({"metrics": []})).await;
        assert_eq!(refused.code(409), "unknown_metric");
        assert_eq!(
            refused.problem().unwrap()["errors"][0]["pointer"],
            "/metrics"
        );
        let kept = json!({"metrics": [metric("buys")]});
        assert_eq!(
            admin.change("e", &kept).await.json(200)["plan"],
            plan(6_000)
        );
    }
}

#[tokio::test]
async fn an_id_that_is_part_of_a_route_is_reserved() {
    let world = World::start().await;
    let admin = world.admin();
    let reserved: Vec<&str> = ROUTES
        .iter()
        .filter_map(|route| route.path.strip_prefix("/experiments/"))
        .filter_map(|rest| rest.split('/').next())
        .filter(|part| !part.starts_with('{'))
        .collect();
    assert!(reserved.contains(&"plan"));
    for id in reserved {
        let body = json!({"id": id, "name": "N", "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]});
        let answer = admin.post("/experiments", &body).await;
        assert_eq!(answer.code(422), "invalid");
        assert_eq!(faults(&answer.problem().unwrap()), [("/id", "reserved")]);
        let path = format!("/experiments/{id}");
        assert_eq!(admin.get(&path).await.code(404), "route_not_found");
    }
    // Words that occur only later in a path are valid ids.
    for id in ["results", "assignments", "plans", "Plan"] {
        admin.experiment(id, json!({})).await;
        assert_eq!(admin.get(&format!("/experiments/{id}")).await.status, 200);
    }
}
