//! The lifecycle of an experiment: its transitions, its changes, and the assignments in each status.

use super::support::{World, ago};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const STATUSES: [&str; 5] = ["draft", "running", "paused", "stopped", "archived"];

/// How a new experiment reaches a status.
fn path_to(status: &str) -> (&'static str, &'static [&'static str]) {
    match status {
        "draft" => ("draft", &[]),
        "running" => ("running", &[]),
        "paused" => ("running", &["paused"]),
        "stopped" => ("running", &["stopped"]),
        _ => ("running", &["stopped", "archived"]),
    }
}

async fn in_status(world: &World, id: &str, status: &str) {
    let (first, then) = path_to(status);
    let admin = world.admin();
    admin.experiment(id, json!({"status": first})).await;
    for next in then {
        let answer = admin.change(id, &json!({"status": next})).await;
        assert_eq!(answer.json(200)["status"], *next);
    }
}

#[tokio::test]
async fn only_legal_transitions_are_made_and_an_illegal_one_is_409() {
    let legal = [
        "draft running",
        "draft archived",
        "running paused",
        "running stopped",
        "paused running",
        "paused stopped",
        "stopped archived",
    ];
    let world = World::start().await;
    for from in STATUSES {
        for to in STATUSES {
            let id = format!("{from}-{to}");
            in_status(&world, &id, from).await;
            let answer = world.admin().change(&id, &json!({"status": to})).await;
            if legal.contains(&format!("{from} {to}").as_str())
                || (from == to && from != "archived")
            {
                assert_eq!(answer.json(200)["status"], to, "{id}");
            } else {
                let code = answer.code(409);
                assert!(
                    ["illegal_transition", "archived"].contains(&code.as_str()),
                    "{id}: {code}"
                );
                assert_eq!(answer.problem().unwrap()["errors"][0]["pointer"], "/status");
                let now = world.admin().get(&format!("/experiments/{id}")).await;
                assert_eq!(now.json(200)["status"], from);
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_is_not_enrolled_gets_the_control_with_a_reason_and_nothing_is_stored() {
    let world = World::start().await;
    let admin = world.admin();
    for (status, reason) in [
        ("draft", "not_running"),
        ("paused", "paused"),
        ("stopped", "stopped"),
        ("archived", "stopped"),
    ] {
        in_status(&world, status, status).await;
        let answer = admin.assign(status, "u").await;
        assert_eq!(
            (&answer["enrolled"], &answer["reason"]),
            (&json!(false), &json!(reason))
        );
        assert_eq!(answer["variant"], "control");
        assert!(answer.get("assigned_at").is_none());
    }
    let in_an_hour = ago(-3600).to_string();
    let an_hour_ago = ago(3600).to_string();
    admin
        .experiment("later", json!({"starts_at": in_an_hour}))
        .await;
    admin
        .experiment("over", json!({"ends_at": an_hour_ago}))
        .await;
    admin
        .experiment("no-traffic", json!({"traffic_percent": 0}))
        .await;
    for (id, reason) in [
        ("later", "not_started"),
        ("over", "ended"),
        ("no-traffic", "traffic"),
    ] {
        assert_eq!(admin.assign(id, "u").await["reason"], reason);
    }
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
}

#[tokio::test]
async fn a_started_experiment_keeps_its_variants_and_a_stopped_one_also_its_traffic_and_end() {
    let world = World::start().await;
    let admin = world.admin();
    for status in STATUSES {
        in_status(&world, status, status).await;
    }
    let others = json!([{"key": "control", "percent": 50}, {"key": "blue", "percent": 50}]);
    let swapped = json!([{"key": "green", "percent": 50}, {"key": "control", "percent": 50}]);
    for (status, change, code) in [
        ("running", json!({"variants": others}), "variants_in_use"),
        ("running", json!({"variants": swapped}), "variants_in_use"),
        ("paused", json!({"variants": others}), "variants_in_use"),
        (
            "running",
            json!({"starts_at": "2030-01-01T00:00:00Z"}),
            "already_started",
        ),
        ("stopped", json!({"variants": others}), "experiment_over"),
        ("stopped", json!({"traffic_percent": 1}), "experiment_over"),
        ("stopped", json!({"ends_at": null}), "experiment_over"),
        ("archived", json!({"name": "N"}), "archived"),
        (
            "draft",
            json!({"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2029-01-01T00:00:00Z"}),
            "ends_before_start",
        ),
    ] {
        let answer = admin.change(status, &change).await;
        assert_eq!(answer.code(409), code, "{status} {change}");
    }
    assert_eq!(
        admin
            .change("draft", &json!({"variants": others}))
            .await
            .status,
        200
    );
    assert_eq!(
        admin
            .change("stopped", &json!({"name": "N", "metrics": []}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_draft_accepts_no_imported_assignments() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"status": "draft"})).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(9).to_string()});
    let answer = admin
        .post("/experiments/e/assignments", &json!({"assignments": [row]}))
        .await;
    assert_eq!(answer.code(409), "not_started");
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
    // What is wrong whatever the experiment is comes first, because the caller can mend it at once.
    let malformed = json!({"rows": []});
    let answer = admin.post("/experiments/e/assignments", &malformed).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.faults().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_changes_to_the_same_version_exactly_one_is_made() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    for version in 1..=10_u64 {
        let etag = format!("\"{version}\"");
        let changes = (0..4).map(|writer| {
            let (admin, etag) = (admin.clone(), etag.clone());
            tokio::spawn(async move {
                let body = json!({"name": format!("by {writer}")}).to_string();
                let headers = [("if-match", etag.as_str())];
                (
                    writer,
                    admin.send("PATCH", "/experiments/e", &headers, body).await,
                )
            })
        });
        let mut winners = Vec::new();
        for outcome in join_all(changes).await {
            let (writer, answer) = outcome.unwrap();
            if answer.status == 200 {
                winners.push(writer);
                assert_eq!(answer.json(200)["version"], version + 1);
            } else {
                assert_eq!(answer.code(412), "stale_version");
            }
        }
        assert_eq!(winners.len(), 1, "version {version}");
        let now = admin.get("/experiments/e").await;
        assert_eq!(now.header("etag"), format!("\"{}\"", version + 1));
        assert_eq!(now.json(200)["name"], format!("by {}", winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_creation_that_is_repeated_with_its_idempotency_key_creates_one_experiment() {
    let world = World::start().await;
    let admin = world.admin();
    let body = json!({"name": "N", "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]}).to_string();
    let send = |body: String| {
        let admin = admin.clone();
        async move {
            admin
                .send("POST", "/experiments", &[("idempotency-key", "k")], body)
                .await
        }
    };
    let repeats = (0..20).map(|_| tokio::spawn(send(body.clone())));
    let mut answers = BTreeSet::new();
    for answer in join_all(repeats).await {
        let answer = answer.unwrap();
        let made = answer.json(201);
        assert_eq!(
            answer.header("location"),
            format!("/experiments/{}", made["id"].as_str().unwrap())
        );
        assert_eq!(answer.header("etag"), "\"1\"");
        answers.insert(answer.text);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let list = admin.get("/experiments").await.json(200);
    assert_eq!(list["experiments"].as_array().unwrap().len(), 1);
    // The definition, its generations and one entry of its audit trail.
    assert_eq!(world.items("ExperimentsTable").await.len(), 4);
    assert_eq!(
        send(body.replace('N', "M")).await.code(409),
        "idempotency_key_reused"
    );
    // The same key from another caller is a different key.
    let other = world.caller(&[domain::access::Scope::Manage]).await;
    let made = other
        .send("POST", "/experiments", &[("idempotency-key", "k")], body)
        .await;
    let first: Value = serde_json::from_str(answers.first().unwrap()).unwrap();
    assert_ne!(made.json(201)["id"], first["id"]);
}

#[tokio::test]
async fn a_taken_id_is_409_and_the_experiment_does_not_change() {
    let world = World::start().await;
    let admin = world.admin();
    let made = admin.experiment("e", json!({"name": "First"})).await;
    let body = json!({"id": "e", "name": "Second", "variants": made["variants"]});
    assert_eq!(
        admin.post("/experiments", &body).await.code(409),
        "id_taken"
    );
    assert_eq!(admin.get("/experiments/e").await.json(200), made);
}

#[tokio::test]
async fn at_full_traffic_every_user_is_enrolled_also_with_weights_of_33_33_percent() {
    let world = World::start().await;
    let admin = world.admin();
    let variants: Vec<Value> = ["a", "b", "c"]
        .map(|key| json!({"key": key, "percent": 33.33}))
        .into();
    let fields = json!({"hash_seed": "thirds", "variants": variants});
    admin.experiment("e", fields).await;
    // The last of 10,000 bucket values.
    for user in ["u22306", "u30137", "u54348"] {
        let answer = admin.assign("e", user).await;
        assert_eq!(
            (&answer["enrolled"], &answer["variant"]),
            (&json!(true), &json!("c"))
        );
    }
}
