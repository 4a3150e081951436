//! Holdouts: their users are in no experiment of the scope, and their results compare both groups.

use super::layers::users;
use super::support::{Caller, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Caller {
    /// Starts a holdout.
    pub(crate) async fn holdout(&self, id: &str, holdout: Value) -> Value {
        let body = json!({"id": id, "name": "A holdout", "holdout": holdout});
        self.post("/experiments", &body).await.json(201)
    }
}

/// The stored variants of users in an experiment.
async fn stored(world: &World, id: &str) -> BTreeMap<String, String> {
    let items = world.items("AssignmentsTable").await.into_iter();
    let own = items.filter(|item| item["experiment_id"].as_s().is_ok_and(|text| text == id));
    let text = |value: &aws_sdk_dynamodb::types::AttributeValue| value.as_s().unwrap().clone();
    own.map(|item| (text(&item["user_id"]), text(&item["variant"])))
        .collect()
}

#[tokio::test]
async fn held_out_users_are_in_no_experiment_that_starts_later() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("before", json!({})).await;
    let holdout = admin.holdout("h", json!({"percent": 20})).await;
    assert_eq!(
        holdout["variants"],
        json!([
            {"key": "held_out", "percent": 20.0}, {"key": "not_held_out", "percent": 80.0}
        ])
    );
    let draft = admin.experiment("draft", json!({"status": "draft"})).await;
    assert!(draft.get("holdouts").is_none());
    let e = admin.experiment("e", json!({"traffic_percent": 70})).await;
    assert_eq!(e["holdouts"], json!(["h"]));
    let f = admin
        .change("draft", &json!({"status": "running"}))
        .await
        .json(200);
    assert_eq!(f["holdouts"], json!(["h"]));

    let users = users(200);
    assert!(
        admin
            .reasons("before", &users)
            .await
            .iter()
            .all(|reason| reason == "new")
    );
    assert!(
        stored(&world, "h").await.is_empty(),
        "`before` is not in the scope"
    );
    let reasons = admin.reasons("e", &users).await;
    let groups = stored(&world, "h").await;
    for (user, reason) in users.iter().zip(&reasons) {
        let group = match reason.as_str() {
            "traffic" => None,
            "holdout" => Some("held_out"),
            "new" => Some("not_held_out"),
            other => panic!("{other}"),
        };
        assert_eq!(groups.get(user).map(String::as_str), group, "{user}");
    }
    let held_out = reasons.iter().filter(|reason| *reason == "holdout").count();
    assert!((10..50).contains(&held_out), "{held_out}");
    // The groups are the same for every experiment.
    let reasons = admin.reasons("draft", &users).await;
    let groups = stored(&world, "h").await;
    assert_eq!(groups.len(), users.len());
    for (user, reason) in users.iter().zip(&reasons) {
        assert_eq!(reason == "holdout", groups[user] == "held_out");
    }
    let held_out = users
        .iter()
        .find(|user| groups[*user] == "held_out")
        .unwrap();
    let answer = admin.assign("draft", held_out).await;
    assert_eq!(
        (&answer["variant"], &answer["enrolled"]),
        (&json!("control"), &json!(false))
    );
    let path = format!("/experiments/draft/assignment/{held_out}?enroll=false");
    let trace = admin.get(&path).await.json(200);
    let rules: Vec<_> = trace["trace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["rule"].as_str().unwrap())
        .collect();
    assert_eq!(
        rules,
        [
            "release",
            "assignment",
            "end",
            "overrides",
            "status",
            "layer",
            "exclusion",
            "targeting",
            "traffic",
            "erasure",
            "layer_history",
            "holdout",
        ]
    );
    // A released variant is held back as well.
    admin
        .change("draft", &json!({"release": "green"}))
        .await
        .json(200);
    for (user, group) in groups.iter().take(40) {
        let answer = admin.assign("draft", user).await;
        let (reason, variant) = if group == "held_out" {
            ("holdout", "control")
        } else {
            ("released", "green")
        };
        assert_eq!(
            (&answer["reason"], &answer["variant"]),
            (&json!(reason), &json!(variant))
        );
    }
    // Without the holdout, everyone can be assigned.
    admin
        .change("h", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(admin.assign("draft", held_out).await["reason"], "released");
    let after = admin.reasons("e", &users).await;
    assert!(
        after
            .iter()
            .all(|reason| ["new", "existing", "traffic"].contains(&reason.as_str()))
    );
}

#[tokio::test]
async fn a_holdout_has_results_of_both_groups() {
    let world = World::start().await;
    let admin = world.admin();
    let body = json!({
        "id": "h", "name": "A holdout", "holdout": {"percent": 20}, "hash_seed": "holdout",
        "metrics": [{"key": "purchase", "kind": "conversion", "event_type": "purchase", "role": "primary"}],
    });
    admin.post("/experiments", &body).await.json(201);
    admin.experiment("e", json!({})).await;
    admin.experiment("f", json!({})).await;
    let users = users(300);
    admin.reasons("e", &users[..200]).await;
    admin.reasons("f", &users[100..]).await;
    let events: Vec<_> = users
        .iter()
        .map(|user| json!({"user_id": user, "type": "purchase", "event_id": "1"}))
        .collect();
    for events in events.chunks(100) {
        admin.track(events).await;
    }
    world.platform.settle().await;
    let groups = stored(&world, "h").await;
    let held_out = groups.values().filter(|group| *group == "held_out").count();
    for source in ["aggregates", "raw"] {
        let results = admin.results("h", &format!("source={source}")).await;
        assert_eq!(results["variants"][0]["key"], "held_out");
        assert_eq!(results["variants"][0]["users"], held_out);
        assert_eq!(results["variants"][1]["users"], users.len() - held_out);
        assert_eq!(
            results["metrics"][0]["variants"][1]["converted"],
            users.len() - held_out
        );
        assert_eq!(results["data_quality"]["sample_ratio"]["verdict"], "ok");
    }
    let audit = admin
        .post("/experiments/h/audit", &json!({}))
        .await
        .json(200);
    assert_eq!(audit["differing_numbers"], 0);
    let exported = admin.get("/users/user-0").await.json(200);
    assert!(
        exported["assignments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|own| own["experiment_id"] == "h")
    );
    admin
        .send("DELETE", "/users/user-0", &[], "")
        .await
        .json(200);
    assert_eq!(admin.assign("e", "user-0").await["reason"], "erased");
    assert_eq!(stored(&world, "h").await.len(), users.len() - 1);
}

#[tokio::test]
async fn the_holdout_of_a_layer_covers_only_its_experiments() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    let global = admin.holdout("global", json!({"percent": 20})).await;
    assert!(global.get("holdouts").is_none());
    admin
        .holdout("of-layer", json!({"percent": 20, "layer": "l"}))
        .await;
    let inside = json!({"layer": {"id": "l", "percent": 100}});
    let inside = admin.experiment("inside", inside).await;
    assert_eq!(inside["holdouts"], json!(["global", "of-layer"]));
    let outside = admin.experiment("outside", json!({})).await;
    assert_eq!(outside["holdouts"], json!(["global"]));
    let users = users(300);
    let reasons = admin.reasons("inside", &users).await;
    let (global, of_layer) = (
        stored(&world, "global").await,
        stored(&world, "of-layer").await,
    );
    assert_eq!(global.len(), users.len());
    for (user, reason) in users.iter().zip(&reasons) {
        // Users whom the first holdout keeps out are in no group of the second.
        let of_layer = of_layer.get(user).map(String::as_str);
        let expected = match (global[user].as_str(), of_layer) {
            ("held_out", None) | ("not_held_out", Some("held_out")) => "holdout",
            ("not_held_out", Some("not_held_out")) => "new",
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, expected);
    }
    let all: BTreeSet<_> = of_layer.values().map(String::as_str).collect();
    assert_eq!(all, BTreeSet::from(["held_out", "not_held_out"]));
}

#[tokio::test]
async fn all_routes_agree_with_layers_and_holdouts() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    admin.holdout("h", json!({"percent": 20})).await;
    admin
        .holdout("of-layer", json!({"percent": 15, "layer": "l"}))
        .await;
    let ids = ["a", "b", "c", "d"];
    let layer = |percent| json!({"layer": {"id": "l", "percent": percent}, "traffic_percent": 80});
    for (id, fields) in ids.into_iter().zip([
        layer(30),
        layer(50),
        json!({}),
        json!({"traffic_percent": 50}),
    ]) {
        admin.experiment(id, fields).await;
    }
    let mut seen = BTreeSet::new();
    for user in users(60) {
        let all = |enroll: bool| json!({"user_id": user, "enroll": enroll});
        let dry = admin.post("/assignments", &all(false)).await.json(200);
        let dry = dry["assignments"].as_array().unwrap();
        assert_eq!(
            dry.len(),
            ids.len(),
            "holdouts are not evaluated themselves"
        );
        for (id, dry) in ids.iter().zip(dry) {
            let path = format!("/experiments/{id}/assignment/{user}?enroll=false");
            assert_eq!(admin.get(&path).await.json(200), *dry);
            let path = format!("/experiments/{id}/assignments:evaluate");
            let body = json!({"users": [{"user_id": user}], "enroll": false});
            assert_eq!(
                admin.post(&path, &body).await.json(200)["assignments"][0],
                *dry
            );
            seen.insert(dry["reason"].as_str().unwrap().to_owned());
        }
        let enrolled = admin.post("/assignments", &all(true)).await.json(200);
        for (dry, enrolled) in dry.iter().zip(enrolled["assignments"].as_array().unwrap()) {
            let reason = if dry["reason"] == "split" {
                &json!("new")
            } else {
                &dry["reason"]
            };
            assert_eq!(
                (&enrolled["reason"], &enrolled["variant"]),
                (reason, &dry["variant"])
            );
            let id = dry["experiment_id"].as_str().unwrap();
            let again = admin.assign(id, &user).await;
            assert_eq!(
                (&again["variant"], &again["enrolled"]),
                (&enrolled["variant"], &enrolled["enrolled"])
            );
        }
    }
    let reasons = ["holdout", "layer", "split", "traffic"].map(str::to_owned);
    assert_eq!(seen, reasons.into());
}
