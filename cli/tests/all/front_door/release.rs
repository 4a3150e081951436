//! The end of an experiment: its conclusion, and the release of a variant to all users.

use super::support::World;
use serde_json::{Value, json};

#[tokio::test]
async fn a_released_variant_is_given_to_all_users_and_results_keep_those_from_before() {
    let world = World::start().await;
    let admin = world.admin();
    let overrides = json!([{"variant": "control", "users": ["tester"]}]);
    let fields = json!({"overrides": overrides, "targeting": {"id": {"$ne": "elsewhere"}}});
    admin.experiment("e", fields).await;
    for user in 0..30 {
        let user = format!("u{user}");
        admin.assign("e", &user).await;
        let buy = json!({"user_id": user, "type": "buy", "event_id": "1"});
        admin.track(&[buy]).await;
    }
    let released = admin
        .change("e", &json!({"release": "green"}))
        .await
        .json(200);
    assert_eq!(released["status"], "stopped");
    assert_eq!(released["release"]["variant"], "green");
    assert_eq!(released["release"]["released_at"], released["stopped_at"]);
    world.platform.settle().await;
    let before = admin.results("e", "view=analysis").await;
    for user in ["u1", "u2", "tester", "elsewhere", "new"] {
        let answer = admin.assign("e", user).await;
        let seen = (&answer["variant"], &answer["enrolled"], &answer["reason"]);
        let expected = (&json!("green"), &json!(false), &json!("released"));
        assert_eq!(seen, expected, "{user}");
        let buy = json!({"user_id": user, "type": "buy", "event_id": "2"});
        admin.track(&[buy]).await;
    }
    assert_eq!(
        world
            .items("AssignmentsTable")
            .await
            .iter()
            .filter(|item| item.contains_key("variant"))
            .count(),
        30
    );
    world.platform.settle().await;
    let after = admin.results("e", "view=analysis").await;
    assert_eq!(after["metrics"], before["metrics"]);
    assert_eq!(after["data_quality"], before["data_quality"]);

    // An archived experiment keeps its release.
    admin
        .change("e", &json!({"status": "archived"}))
        .await
        .json(200);
    assert_eq!(admin.assign("e", "new").await["reason"], "released");
    assert_eq!(
        admin.change("e", &json!({"release": null})).await.code(409),
        "archived"
    );
}

#[tokio::test]
async fn a_release_can_be_removed_or_replaced() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let own = admin.assign("e", "u").await["variant"].clone();
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    let other = if own == "green" { "control" } else { "green" };
    admin
        .change("e", &json!({ "release": other }))
        .await
        .json(200);
    assert_eq!(admin.assign("e", "u").await["variant"], other);
    let removed = admin.change("e", &json!({"release": null})).await.json(200);
    assert!(removed.get("release").is_none());
    assert_eq!(removed["status"], "stopped");
    let again = admin.assign("e", "u").await;
    assert_eq!(
        (&again["variant"], &again["reason"]),
        (&own, &json!("existing"))
    );
    assert_eq!(admin.assign("e", "new").await["reason"], "stopped");
}

#[tokio::test]
async fn a_release_that_does_not_fit_is_refused() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("draft", json!({"status": "draft"})).await;
    admin.experiment("e", json!({})).await;
    let before = world.contents().await;
    for (id, change, pointer, code) in [
        (
            "draft",
            json!({"release": "green"}),
            "/release",
            "not_started",
        ),
        (
            "e",
            json!({"release": "blue"}),
            "/release",
            "unknown_variant",
        ),
        (
            "e",
            json!({"release": "green", "status": "paused"}),
            "/release",
            "illegal_transition",
        ),
    ] {
        let answer = admin.change(id, &change).await;
        assert_eq!(answer.code(409), code);
        assert_eq!(answer.problem().unwrap()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(world.contents().await, before);
    admin
        .change("e", &json!({"release": "green", "status": "stopped"}))
        .await
        .json(200);
}

#[tokio::test]
async fn a_conclusion_belongs_to_a_stopped_experiment() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let won = json!({"outcome": "won", "variant": "green", "notes": "4% more."});
    for (change, pointer, code) in [
        (json!({"conclusion": won}), "/conclusion", "not_stopped"),
        (
            json!({"status": "paused", "conclusion": won}),
            "/conclusion",
            "not_stopped",
        ),
        (
            json!({"status": "stopped", "conclusion": {"outcome": "won", "variant": "blue"}}),
            "/conclusion/variant",
            "unknown_variant",
        ),
    ] {
        let answer = admin.change("e", &change).await;
        assert_eq!(answer.code(409), code);
        assert_eq!(answer.problem().unwrap()["errors"][0]["pointer"], pointer);
    }
    for (conclusion, pointer, code) in [
        (json!({"outcome": "won"}), "/conclusion/variant", "required"),
        (
            json!({"outcome": "draw"}),
            "/conclusion/outcome",
            "not_a_choice",
        ),
        (json!({}), "/conclusion/outcome", "required"),
        (
            json!({"outcome": "lost", "who": 1}),
            "/conclusion/who",
            "unknown_field",
        ),
    ] {
        let answer = admin
            .change("e", &json!({"status": "stopped", "conclusion": conclusion}))
            .await;
        assert_eq!(answer.code(422), "invalid");
        let fault = &answer.problem().unwrap()["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!(pointer), &json!(code))
        );
    }
    let stopped = admin
        .change("e", &json!({"status": "stopped", "conclusion": won}))
        .await
        .json(200);
    assert_eq!(stopped["conclusion"]["outcome"], "won");
    assert_eq!(stopped["conclusion"]["variant"], "green");
    assert_eq!(stopped["conclusion"]["concluded_at"], stopped["stopped_at"]);
    let again = admin
        .change("e", &json!({"conclusion": {"outcome": "inconclusive"}}))
        .await
        .json(200);
    assert!(again["conclusion"].get("variant").is_none());
    let removed = admin
        .change("e", &json!({"conclusion": null}))
        .await
        .json(200);
    assert!(removed.get("conclusion").is_none());

    admin.experiment("both", json!({})).await;
    let both: Value = admin
        .change("both", &json!({"release": "green", "conclusion": won}))
        .await
        .json(200);
    assert_eq!(
        both["conclusion"]["concluded_at"],
        both["release"]["released_at"]
    );
}
