//! Overrides: variants for testers, which are never stored.

use super::support::{Caller, World, expected};
use serde_json::{Value, json};

async fn answer(caller: &Caller, id: &str, user: &str, query: &str) -> (Value, Value, Value) {
    let path = format!("/experiments/{id}/assignment/{user}?{query}");
    let answer = caller.get(&path).await.json(200);
    let field = |name: &str| answer[name].clone();
    (field("variant"), field("enrolled"), field("reason"))
}

fn overridden(variant: &str) -> (Value, Value, Value) {
    (json!(variant), json!(false), json!("override"))
}

/// Overrides of a user, of staff, and of another user for whom the first one holds.
fn overrides() -> Value {
    json!([
        {"variant": "green", "users": ["ann", "team/bob 😀"]},
        {"variant": "control", "condition": {"email": {"$regex": "@example\\.com$"}}},
        {"variant": "control", "users": ["ann", "carol"]},
    ])
}

#[tokio::test]
async fn the_first_override_that_applies_chooses_the_variant_and_nothing_is_stored() {
    let world = World::start().await;
    let admin = world.admin();
    let created = admin
        .experiment("e", json!({"overrides": overrides()}))
        .await;
    assert_eq!(created["overrides"], overrides());
    for (user, query, variant) in [
        ("ann", "", "green"),
        ("team%2Fbob%20%F0%9F%98%80", "", "green"),
        ("carol", "", "control"),
        ("dora", "attributes.email=d@example.com", "control"),
        ("ann", "attributes.email=d@example.com", "green"),
    ] {
        for _ in 0..2 {
            assert_eq!(
                answer(&admin, "e", user, query).await,
                overridden(variant),
                "{user}"
            );
        }
    }
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
    let other = answer(&admin, "e", "dora", "attributes.email=d@example.org").await;
    assert_eq!(other.2, "new");
}

#[tokio::test]
async fn overrides_hold_in_a_draft_a_pause_and_outside_the_targeting_until_the_experiment_is_over()
{
    let world = World::start().await;
    let admin = world.admin();
    for (id, fields) in [
        ("draft", json!({"status": "draft"})),
        ("later", json!({"starts_at": "2099-01-01T00:00:00Z"})),
        ("elsewhere", json!({"targeting": {"country": "DE"}})),
        ("closed", json!({"traffic_percent": 0})),
    ] {
        let mut fields = fields;
        fields["overrides"] = overrides();
        admin.experiment(id, fields).await;
        assert_eq!(
            answer(&admin, id, "ann", "").await,
            overridden("green"),
            "{id}"
        );
    }
    admin
        .change("closed", &json!({"status": "paused"}))
        .await
        .json(200);
    assert_eq!(
        answer(&admin, "closed", "ann", "").await,
        overridden("green")
    );
    admin
        .change("closed", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(answer(&admin, "closed", "ann", "").await.2, "stopped");
    let over = json!({"overrides": overrides(), "ends_at": "2001-01-01T00:00:00Z"});
    admin.experiment("over", over).await;
    assert_eq!(answer(&admin, "over", "ann", "").await.2, "ended");
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
}

#[tokio::test]
async fn users_with_an_override_are_in_no_statistic() {
    let world = World::start().await;
    let admin = world.admin();
    let without = admin.experiment("e", json!({})).await;
    assert!(without.get("overrides").is_none());
    for user in 0..20 {
        admin.assign("e", &format!("u{user}")).await;
    }
    world.platform.settle().await;
    let before = admin.results("e", "view=analysis").await;
    let users: Vec<_> = (0..50).map(|user| format!("tester-{user}")).collect();
    let testers = json!([{"variant": "green", "users": users}]);
    admin
        .change("e", &json!({"overrides": testers}))
        .await
        .json(200);
    for user in &users {
        assert_eq!(answer(&admin, "e", user, "").await, overridden("green"));
        let buy = json!({"user_id": user, "type": "buy", "event_id": "1"});
        let tracked = admin.track(&[buy]).await;
        assert_eq!(tracked["events"][0]["reason"], "no_assignment");
    }
    world.platform.settle().await;
    let mut after = admin.results("e", "view=analysis").await;
    after["experiment"] = before["experiment"].clone();
    let version_free = |report: &Value| {
        let mut report = report.clone();
        for field in ["digest", "experiment_version", "freshness"] {
            report.as_object_mut().unwrap().remove(field);
        }
        report
    };
    assert_eq!(version_free(&after), version_free(&before));
}

#[tokio::test]
async fn a_stored_assignment_stays_when_an_override_is_added() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let first = admin.assign("e", "ann").await;
    let other = if first["variant"] == "green" {
        "control"
    } else {
        "green"
    };
    let change = json!({"overrides": [{"variant": other, "users": ["ann"]}]});
    admin.change("e", &change).await.json(200);
    let again = admin.assign("e", "ann").await;
    assert_eq!(again["reason"], "existing");
    assert_eq!(again["variant"], first["variant"]);
    // An erased user has no assignment, so the override holds.
    admin.send("DELETE", "/users/ann", &[], "").await.json(200);
    assert_eq!(answer(&admin, "e", "ann", "").await, overridden(other));
}

#[tokio::test]
async fn overrides_with_faults_are_refused_as_a_whole() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"status": "draft"})).await;
    let before = world.contents().await;
    let bad = json!([
        {"variant": "blue", "users": ["a", "a", ""]},
        {"users": []},
        {"variant": "green", "users": ["b"], "condition": {"a": 1}},
        {"variant": "green"},
        {"variant": "green", "condition": {"a": {"$x": 1}}, "who": 1},
    ]);
    let body = |overrides: &Value| {
        json!({
            "name": "N",
            "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
            "overrides": overrides,
        })
    };
    let answer = admin.post("/experiments", &body(&bad)).await;
    assert_eq!(answer.code(422), "invalid");
    let expected = expected([
        ("/overrides/0/users/1", "duplicate_key"),
        ("/overrides/0/users/2", "empty"),
        ("/overrides/1/variant", "required"),
        ("/overrides/1/users", "empty"),
        ("/overrides/2", "users_or_condition"),
        ("/overrides/3", "users_or_condition"),
        ("/overrides/4/condition/a/$x", "unknown_operator"),
        ("/overrides/4/who", "unknown_field"),
    ]);
    assert_eq!(answer.faults(), expected);

    let unknown =
        json!([{"variant": "green", "users": ["a"]}, {"variant": "blue", "users": ["b"]}]);
    let answer = admin.post("/experiments", &body(&unknown)).await;
    let problem = answer.problem().unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/overrides/1/variant");
    assert_eq!(problem["errors"][0]["code"], "unknown_variant");
    let answer = admin.change("e", &json!({ "overrides": unknown })).await;
    assert_eq!(answer.code(409), "unknown_variant");
    assert_eq!(world.contents().await, before);

    // A variant that an override needs cannot be removed.
    let known = json!({"overrides": [{"variant": "green", "users": ["a"]}]});
    admin.change("e", &known).await.json(200);
    let variants = json!([{"key": "control", "percent": 50}, {"key": "red", "percent": 50}]);
    let answer = admin.change("e", &json!({ "variants": variants })).await;
    assert_eq!(answer.code(409), "unknown_variant");
    let both = json!({"variants": variants, "overrides": [{"variant": "red", "users": ["a"]}]});
    admin.change("e", &both).await.json(200);
    admin.change("e", &json!({"overrides": []})).await.json(200);

    let conditions = |patterns: usize| json!({"variant": "red", "condition": {"$or": vec![json!({"a": {"$regex": "x"}}); patterns]}});
    let many = |users: usize| -> Vec<String> { (0..users).map(|user| user.to_string()).collect() };
    for (overrides, code) in [
        (
            json!(vec![json!({"variant": "red", "users": ["a"]}); 51]),
            "too_many",
        ),
        (
            json!([{"variant": "red", "users": many(1_001)}]),
            "too_many",
        ),
        (
            json!([{"variant": "red", "users": many(600)}, {"variant": "red", "users": many(401)}]),
            "too_many",
        ),
        (
            json!(vec![
                json!({"variant": "red", "condition": {"a": "x".repeat(19_900)}});
                3
            ]),
            "too_long",
        ),
        (json!([conditions(11), conditions(10)]), "too_many"),
    ] {
        let answer = admin.change("e", &json!({ "overrides": overrides })).await;
        let problem = answer.problem().unwrap();
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let most = json!([
        {"variant": "red", "users": many(600)}, {"variant": "red", "users": many(400)}, conditions(10), conditions(10),
    ]);
    admin
        .change("e", &json!({ "overrides": most }))
        .await
        .json(200);
}
