//! `assay repair` starts a backfill of one, some or all experiments.

use super::support::World;
use assay::client::http_client;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A page of the list has 100 experiments, the newest first.
const DRAFTS: usize = 100;

async fn create(world: &World, id: &str, status: &str) {
    let variants = ["control", "green"].map(|key| json!({"key": key, "percent": 50}));
    let definition = json!({"id": id, "name": id, "status": status, "variants": variants});
    world.create(&definition).await;
}

async fn archive(world: &World, id: &str) {
    for status in ["stopped", "archived"] {
        let request = http_client()
            .patch(format!("{}/experiments/{id}", world.platform.url()))
            .bearer_auth(&world.platform.token)
            .header("if-match", "*")
            .json(&json!({ "status": status }));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

async fn generation(world: &World, id: &str) -> Value {
    world.get(&format!("/experiments/{id}/results")).await["freshness"]["generation"].clone()
}

#[tokio::test]
async fn all_started_experiments_of_all_pages_get_a_backfill() {
    let world = World::start().await;
    let started = ["first", "archived", "third"];
    for id in started {
        create(&world, id, "running").await;
    }
    archive(&world, "archived").await;
    for number in 0..DRAFTS {
        create(&world, &format!("draft{number}"), "draft").await;
    }
    let mut before = BTreeMap::new();
    for id in started {
        before.insert(id, generation(&world, id).await);
    }
    let output = world.done(&["repair", "--all"]).await;
    assert_eq!(output.lines().count(), 3, "{output}");
    for (position, id) in ["third", "archived", "first"].iter().enumerate() {
        let line = output.lines().nth(position).unwrap();
        let expected = format!("{} of 3: {id}: backfill of generation ", position + 1);
        assert!(line.starts_with(&expected), "{output}");
    }
    world.platform.settle().await;
    for (id, before) in before {
        let after = generation(&world, id).await;
        assert!(
            after.is_number() && after != before,
            "{id} {before} {after}"
        );
    }
}

#[tokio::test]
async fn an_experiment_that_cannot_be_repaired_fails_the_command_and_stops_no_other() {
    let world = World::start().await;
    create(&world, "draft", "draft").await;
    create(&world, "e", "running").await;
    let ran = world.run(&["repair", "nothing", "draft", "e"]).await;
    assert!(!ran.ok);
    assert!(
        ran.stderr
            .contains("1 of 3: nothing: There is no experiment"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("no backfill of 1 experiment: nothing"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("2 of 3: draft: a draft, left out"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("3 of 3: e: backfill of generation"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn either_ids_or_all_are_given() {
    let world = World::start().await;
    for arguments in [&["repair"][..], &["repair", "e", "--all"]] {
        let ran = world.run(arguments).await;
        assert!(!ran.ok && ran.stderr.contains("--all"), "{}", ran.stderr);
    }
}
