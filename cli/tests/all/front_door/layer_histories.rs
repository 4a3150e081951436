//! Layers: concurrent creations, and random histories of starts, stops and other percentages.

use super::layers::{buckets, in_layer, let_ranges_become_free, users};
use super::support::World;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn another_percentage_moves_no_assigned_user() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    let before = admin.experiment("e", in_layer("l", 30.0)).await;
    let users = users(200);
    let variants = |users: Vec<String>| {
        let admin = admin.clone();
        async move {
            let mut variants = BTreeMap::new();
            for user in users {
                let answer = admin.assign("e", &user).await;
                variants.insert(
                    user,
                    (answer["enrolled"] == true).then(|| answer["variant"].clone()),
                );
            }
            variants
        }
    };
    let first = variants(users.clone()).await;
    let grown = admin.change("e", &in_layer("l", 60.0)).await.json(200);
    assert!(buckets(&grown).is_superset(&buckets(&before)));
    let second = variants(users.clone()).await;
    let shrunk = admin.change("e", &in_layer("l", 10.0)).await.json(200);
    assert_eq!(
        (buckets(&shrunk).len(), &shrunk["layer"]["percent"]),
        (1_000, &json!(10.0))
    );
    let third = variants(users.clone()).await;
    for user in &users {
        assert!(first[user].is_none() || first[user] == second[user]);
        assert_eq!(second[user], third[user]);
    }
    let enrolled = |variants: &BTreeMap<String, Option<Value>>| variants.values().flatten().count();
    assert!(enrolled(&first) < enrolled(&second));
    let history = admin.get("/experiments/e/history").await.json(200);
    assert_eq!(history["entries"][0]["changes"][0]["field"], "layer");
}

#[tokio::test]
async fn concurrent_experiments_get_different_ranges() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    let bodies: Vec<_> = (0..6)
        .map(|number| {
            json!({
                "id": format!("e{number}"), "name": "E", "layer": {"id": "l", "percent": 20},
                "variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}],
            })
        })
        .collect();
    let answers = bodies.iter().map(|body| async {
        // The database refuses a writer that meets many others; the caller repeats the request.
        loop {
            let answer = admin.post("/experiments", body).await;
            if answer.status != 503 {
                return answer;
            }
        }
    });
    let answers = join_all(answers).await;
    let (created, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((created.len(), refused.len()), (5, 1));
    assert_eq!(refused[0].code(409), "layer_full");
    let all: BTreeSet<u64> = created
        .iter()
        .flat_map(|answer| buckets(&answer.json(201)))
        .collect();
    assert_eq!(all.len(), 10_000);
}

#[tokio::test]
async fn random_histories_put_no_user_into_two_experiments_of_a_layer() {
    let world = World::start().await;
    let admin = world.admin();
    let users = users(30);
    for seed in 0_u64..3 {
        let mut state = seed.wrapping_add(1);
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let layer = format!("l{seed}");
        admin.layer(&layer).await;
        let mut ids: Vec<String> = Vec::new();
        for step in 0..30 {
            let percent = f64::from(u32::try_from(draw(100)).unwrap() + 1);
            let recent = ids.len().checked_sub(1 + usize::try_from(draw(3)).unwrap());
            let recent = recent.map(|index| ids[index].clone());
            match (draw(6), recent) {
                (0, _) | (_, None) => {
                    let id = format!("x{seed}-{step}");
                    let body = json!({
                        "id": id, "name": "X", "layer": {"id": layer, "percent": percent},
                        "variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}],
                    });
                    let status = admin.post("/experiments", &body).await.status;
                    assert!([201, 409].contains(&status));
                    ids.extend((status == 201).then_some(id));
                }
                (1, Some(id)) => {
                    let status = admin.change(&id, &in_layer(&layer, percent)).await.status;
                    assert!([200, 409].contains(&status));
                }
                (2, Some(id)) => {
                    let status = admin
                        .change(&id, &json!({"status": "stopped"}))
                        .await
                        .status;
                    assert!([200, 409].contains(&status));
                }
                // Definitions are not cached here, so the ranges are free at once.
                (3, _) => let_ranges_become_free(&world, &layer).await,
                (_, Some(id)) => drop(admin.reasons(&id, &users).await),
            }
        }
        assert!(ids.len() > 2);
    }
    let mut seen: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for item in world.items("AssignmentsTable").await {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        if let Some(layer) = text("layer") {
            let own = seen.entry((text("user_id").unwrap(), layer)).or_default();
            own.insert(text("experiment_id").unwrap());
        }
    }
    assert!(seen.len() > 30, "{}", seen.len());
    assert!(seen.values().all(|own| own.len() == 1), "{seen:?}");
}
