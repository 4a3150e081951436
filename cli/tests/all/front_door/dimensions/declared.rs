//! The dimensions that an experiment declares, and how they change.

use super::super::support::World;
use super::{ask, expected, faults, world};
use serde_json::{Value, json};

#[tokio::test]
async fn every_fault_of_declared_dimensions_is_reported_with_its_pointer() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let before = world.contents().await;
    let long = "x".repeat(33);
    for (dimensions, faulty) in [
        (json!("country"), expected([("/dimensions", "wrong_type")])),
        (
            json!(["a", "b", "c", "d", "e", "f"]),
            expected([("/dimensions", "too_many")]),
        ),
        (
            json!(["", "Country", "a b", "é", "phase"]),
            expected([
                ("/dimensions/0", "empty"),
                ("/dimensions/1", "bad_characters"),
                ("/dimensions/2", "bad_characters"),
                ("/dimensions/3", "bad_characters"),
                ("/dimensions/4", "reserved"),
            ]),
        ),
        (
            json!(["country", long, 7, "country", "-a"]),
            expected([
                ("/dimensions/1", "too_long"),
                ("/dimensions/2", "wrong_type"),
                ("/dimensions/3", "duplicate_key"),
                ("/dimensions/4", "bad_characters"),
            ]),
        ),
    ] {
        let variants = json!([{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]);
        let body = json!({"name": "N", "variants": variants, "dimensions": dimensions});
        for answer in [
            admin.post("/experiments", &body).await,
            admin.change("e", &json!({"dimensions": dimensions})).await,
        ] {
            assert_eq!(answer.code(422), "invalid", "{dimensions}");
            assert_eq!(faults(&answer.problem().unwrap()), faulty, "{dimensions}");
        }
    }
    assert_eq!(world.contents().await, before);
    let longest = "x".repeat(32);
    let five = json!(["a", "0", "os_version", "os-version", longest]);
    let made = admin.experiment("five", json!({"dimensions": five})).await;
    assert_eq!(made["dimensions"], five);
}

#[tokio::test]
async fn a_draft_can_change_its_dimensions_and_a_started_experiment_can_only_add_some() {
    let world = World::start().await;
    let admin = world.admin();
    let fields = json!({"status": "draft", "dimensions": ["country"]});
    admin.experiment("e", fields).await;
    let allowed = |dimensions: Value| {
        let admin = admin.clone();
        async move {
            let changed = admin
                .change("e", &json!({"dimensions": dimensions}))
                .await
                .json(200);
            assert_eq!(changed["dimensions"], dimensions);
        }
    };
    allowed(json!(["platform", "plan"])).await;
    let none = admin
        .change("e", &json!({"dimensions": []}))
        .await
        .json(200);
    assert!(none.get("dimensions").is_none(), "{none}");
    allowed(json!(["country", "platform"])).await;

    let mut declared = vec!["country", "platform"];
    for status in ["running", "paused"] {
        let change = json!({ "status": status });
        admin.change("e", &change).await.json(200);
        for dimensions in [json!([]), json!(["plan", "platform"])] {
            let refused = admin.change("e", &json!({"dimensions": dimensions})).await;
            assert_eq!(refused.code(409), "dimensions_in_use");
            assert_eq!(
                refused.problem().unwrap()["errors"][0]["pointer"],
                "/dimensions"
            );
            assert!(refused.text.contains("`country`"), "{}", refused.text);
        }
        let before = json!({ "dimensions": declared });
        declared.insert(1, status);
        allowed(json!(declared)).await;
        assert_eq!(
            admin.change("e", &before).await.code(409),
            "dimensions_in_use"
        );
        // The added dimension is accepted from then on.
        let answer = ask(&admin, "e", status, &[(status, "yes")]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn dimensions_cannot_change_after_the_stop() {
    let world = world().await;
    let admin = world.admin();
    ask(&admin, "e", "u", &[("country", "DE")]).await.json(200);
    for (status, code) in [("stopped", "experiment_over"), ("archived", "archived")] {
        admin
            .change("e", &json!({ "status": status }))
            .await
            .json(200);
        let more = json!({"dimensions": ["country", "platform", "plan"]});
        assert_eq!(admin.change("e", &more).await.code(409), code);
        let answer = ask(&admin, "e", "u", &[("country", "FR")]).await.json(200);
        assert_eq!(answer["attributes"], json!({"country": "DE"}));
    }
}
