//! `assay audit` confirms that the aggregates equal the records, or fails and lists the differing numbers.

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

/// Adds one user to the aggregates.
async fn corrupt(world: &World) {
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
async fn correct_aggregates_are_confirmed() {
    let world = World::start().await;
    with_data(&world).await;
    let output = world.done(&["audit", "e"]).await;
    assert!(
        output.contains("The aggregates equal the records."),
        "{output}"
    );
    let json = world.done_json(&["audit", "e", "--json"]).await;
    assert_eq!(json["differing_numbers"], 0);
    assert_eq!(json["users"], 1);
}

#[tokio::test]
async fn differing_numbers_are_listed_and_fail_the_command_until_a_repair() {
    let world = World::start().await;
    with_data(&world).await;
    corrupt(&world).await;
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
        ran.stderr
            .contains("differ from the records in 1 number; --repair"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&["audit", "e", "--repair", "--json"]).await;
    assert!(!ran.ok, "numbers differed before the repair");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(answer["backfill_started"].is_number(), "{answer}");
    world.platform.settle().await;
    world.done(&["audit", "e"]).await;
}

#[tokio::test]
async fn an_unknown_experiment_is_named() {
    let world = World::start().await;
    let ran = world.run(&["audit", "nothing"]).await;
    assert!(!ran.ok);
    assert!(ran.stderr.contains("nothing"), "{}", ran.stderr);
}
