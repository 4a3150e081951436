//! `assay audit`: the sums are those of the records, or the command fails and names the numbers.

use super::support::World;
use assay::client::http_client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

async fn with_data(world: &World) {
    let metrics = json!([{"key": "buys", "kind": "conversion", "event_type": "buy"}]);
    world.experiment("e", ["control", "green"], metrics).await;
    world.get("/experiments/e/assignment/ann").await;
    let event = json!({"user_id": "ann", "type": "buy", "event_id": "1"});
    let request = http_client()
        .post(format!("{}/events", world.platform.url()))
        .bearer_auth(&world.platform.token)
        .json(&event);
    assert_eq!(request.send().await.unwrap().status(), 200);
    world.platform.settle().await;
}

/// Counts one user more, by hand.
async fn spoil(world: &World) {
    let table = &world.platform.template.tables["AggregatesTable"].name;
    let generation = world.get("/experiments/e/results").await["freshness"]["generation"].clone();
    let update = world.platform.dynamodb.update_item().table_name(table);
    let partition = AttributeValue::S(format!("aggregate_items#e#{generation}"));
    update
        .key("partition", partition)
        .key("item", AttributeValue::S("0#r".to_owned()))
        .update_expression("ADD #v :one")
        .expression_attribute_names("#v", "v1")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn sums_that_are_right_are_said_to_be_so() {
    let world = World::start().await;
    with_data(&world).await;
    let said = world.done(&["audit", "e"]).await;
    assert!(
        said.contains("The sums are those of the records."),
        "{said}"
    );
    let json = world.done_json(&["audit", "e", "--json"]).await;
    assert_eq!(json["differing_numbers"], 0);
    assert_eq!(json["users"], 1);
}

#[tokio::test]
async fn a_drift_is_shown_and_ends_with_status_1_until_it_is_repaired() {
    let world = World::start().await;
    with_data(&world).await;
    spoil(&world).await;
    let ran = world.run(&["audit", "e"]).await;
    assert!(!ran.ok);
    let row: Vec<&str> = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("r "))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(row, ["r", "v1", "1", "0"]);
    assert!(
        ran.stderr.contains("drifted in 1 number; --repair"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&["audit", "e", "--repair", "--json"]).await;
    assert!(!ran.ok, "it had drifted");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(answer["backfill_started"].is_number(), "{answer}");
    world.platform.settle().await;
    world.done(&["audit", "e"]).await;
}

#[tokio::test]
async fn an_experiment_that_is_not_there_is_named() {
    let world = World::start().await;
    let ran = world.run(&["audit", "nothing"]).await;
    assert!(!ran.ok);
    assert!(ran.stderr.contains("nothing"), "{}", ran.stderr);
}
