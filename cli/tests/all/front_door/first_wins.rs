//! The first assignment is final, also with concurrent requests.

use super::support::{World, ago};
use futures::future::join_all;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_concurrent_first_requests_store_one_assignment_and_get_the_same_answer() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("race", json!({})).await;
    let requests = (0..200).map(|_| {
        let admin = admin.clone();
        tokio::spawn(async move { admin.assign("race", "ada").await })
    });
    let mut answers = BTreeSet::new();
    let mut reasons = Vec::new();
    for answer in join_all(requests).await {
        let mut answer = answer.unwrap();
        reasons.push(answer["reason"].take());
        assert_eq!(answer["enrolled"], true);
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let new = reasons.iter().filter(|reason| *reason == "new").count();
    assert_eq!(new, 1, "{reasons:?}");
    let stored = world.items("AssignmentsTable").await;
    assert_eq!(stored.len(), 1);
    let answer: serde_json::Value = serde_json::from_str(answers.first().unwrap()).unwrap();
    assert_eq!(stored[0]["variant"].as_s().unwrap(), &answer["variant"]);
    assert_eq!(
        stored[0]["assigned_at"].as_s().unwrap(),
        &answer["assigned_at"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_is_sent_a_hundred_times_concurrently_is_stored_once() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("race", json!({})).await;
    admin.assign("race", "ada").await;
    let event = json!({"user_id": "ada", "type": "buy", "event_id": "e", "value": 2});
    let requests = (0..100).map(|_| {
        let (admin, event) = (admin.clone(), event.clone());
        tokio::spawn(async move { admin.track(&[event.clone(), event]).await })
    });
    let mut stored = 0;
    for answer in join_all(requests).await {
        let answer = answer.unwrap();
        stored += answer["stored"].as_u64().unwrap();
        for event in answer["events"].as_array().unwrap() {
            assert_eq!(event["counts_for"][0]["experiment_id"], "race", "{answer}");
        }
    }
    assert_eq!(stored, 1);
    assert_eq!(world.items("EventsTable").await.len(), 1);
}

#[tokio::test]
async fn a_concurrent_import_and_request_for_a_user_agree_on_the_assignment() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("race", json!({})).await;
    let at = ago(3600).to_string();
    for number in 0..20 {
        let user = format!("user-{number}");
        let row = [json!({"user_id": user, "variant": "green", "assigned_at": at})];
        let (imported, assigned) =
            futures::join!(admin.import("race", &row), admin.assign("race", &user));
        assert_eq!(imported["assignments"][0]["variant"], assigned["variant"]);
        let again = admin.assign("race", &user).await;
        assert_eq!(again["assigned_at"], assigned["assigned_at"]);
        assert_eq!(again["variant"], assigned["variant"]);
    }
    assert_eq!(world.items("AssignmentsTable").await.len(), 20);
}

#[tokio::test]
async fn changing_weights_traffic_or_status_never_moves_an_assigned_user() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment("ramp", json!({"traffic_percent": 30}))
        .await;
    let users: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    let mut first = Vec::new();
    for user in &users {
        first.push(admin.assign("ramp", user).await);
    }
    let enrolled = first.iter().filter(|answer| answer["enrolled"] == true);
    assert!((5..40).contains(&enrolled.count()));
    let reversed = json!([{"key": "control", "percent": 1}, {"key": "green", "percent": 99}]);
    for change in [
        json!({"traffic_percent": 60}),
        json!({"variants": reversed}),
        json!({"traffic_percent": 5}),
        json!({"traffic_percent": 0}),
        json!({"status": "paused"}),
        json!({"status": "stopped"}),
        json!({"status": "archived"}),
    ] {
        assert_eq!(admin.change("ramp", &change).await.status, 200);
        for (user, first) in users.iter().zip(&first) {
            let now = admin.assign("ramp", user).await;
            if first["enrolled"] == true {
                assert_eq!(now["variant"], first["variant"], "{user} after {change}");
                assert_eq!(now["assigned_at"], first["assigned_at"]);
                assert_eq!(now["reason"], "existing");
            }
        }
    }
}

#[tokio::test]
async fn raising_traffic_enrols_more_users_and_never_changes_their_variant() {
    let world = World::start().await;
    let admin = world.admin();
    // Two experiments with one hash seed. Each user has the same variant in both.
    let seed = json!({"hash_seed": "s", "traffic_percent": 10});
    admin.experiment("slow", seed).await;
    admin.experiment("full", json!({"hash_seed": "s"})).await;
    let mut enrolled = 0;
    for percent in [10, 50, 100] {
        let change = json!({"traffic_percent": percent});
        assert_eq!(admin.change("slow", &change).await.status, 200);
        let mut now = 0;
        for number in 0..40 {
            let user = format!("user-{number}");
            let slow = admin.assign("slow", &user).await;
            if slow["enrolled"] == true {
                now += 1;
                assert_eq!(
                    slow["variant"],
                    admin.assign("full", &user).await["variant"]
                );
            } else {
                assert_eq!(slow["reason"], "traffic");
                assert_eq!(slow["variant"], "control");
                assert!(slow.get("assigned_at").is_none());
            }
        }
        assert!(now > enrolled, "{percent}%: {now} after {enrolled}");
        enrolled = now;
    }
    assert_eq!(enrolled, 40);
}
