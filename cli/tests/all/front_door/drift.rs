//! Audits: the running sums held against the records, and made anew.

use super::backfill::{around, end, gate, sums_are_exact, with_data};
use super::support::World;
use assay::functions;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::Context;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const AUDIT: &str = "/experiments/e/audit";

/// Adds to a number of the sums by hand, and says to which.
async fn spoil(world: &World, id: &str) -> (String, String) {
    let table = &world.platform.template.tables["AggregatesTable"].name;
    let items = world.items("AggregatesTable").await;
    let text = |value: &AttributeValue| value.as_s().unwrap().clone();
    let item = items
        .iter()
        .find(|item| {
            let days = text(&item["item"])
                .split_once('#')
                .is_some_and(|(_, name)| name.starts_with("d#"));
            days && text(&item["partition"]).starts_with(&format!("aggregate_items#{id}#"))
        })
        .unwrap();
    let update = world.platform.dynamodb.update_item().table_name(table);
    update
        .key("partition", item["partition"].clone())
        .key("item", item["item"].clone())
        .update_expression("ADD #u :one")
        .expression_attribute_names("#u", "u")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
    let name = text(&item["item"]);
    (name.split_once('#').unwrap().1.to_owned(), "u".to_owned())
}

#[tokio::test]
async fn ordinary_traffic_leaves_no_drift() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    for change in [
        json!({"traffic_percent": 50}),
        json!({"metrics": []}),
        json!({"status": "stopped"}),
    ] {
        admin.change("e", &change).await.json(200);
        let audit = admin.post(AUDIT, &json!({})).await.json(200);
        assert_eq!(audit["differing_numbers"], 0, "{audit}");
        assert_eq!(audit["not_compared"], Value::Null);
        assert_eq!(audit["comparisons"], 1);
        assert_eq!(audit["users"], 40);
        assert!(audit["numbers"].as_u64().unwrap() > 100, "{audit}");
        assert!(audit["records"].as_u64().unwrap() > 100, "{audit}");
    }
}

#[tokio::test]
async fn a_number_that_was_changed_is_named_and_a_repair_puts_it_right() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    sums_are_exact(&admin, "e").await;
    let (item, number) = spoil(&world, "e").await;
    let audit = admin.send("POST", AUDIT, &[], "").await.json(200);
    assert_eq!(audit["differing_numbers"], 1, "{audit}");
    assert_eq!(audit["comparisons"], 3);
    let drift = &audit["drift"][0];
    assert_eq!(
        (&drift["item"], &drift["number"]),
        (&json!(item), &json!(number))
    );
    let digits = |name: &str| drift[name].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(digits("stored"), digits("recomputed") + 1);
    assert_eq!(audit["backfill_started"], Value::Null);

    let repair = admin.post(AUDIT, &json!({"repair": true})).await.json(200);
    assert_eq!(repair["differing_numbers"], 1);
    let audit = admin.post(AUDIT, &json!({})).await.json(200);
    assert_eq!(audit["differing_numbers"], 0, "{audit}");
    assert_eq!(audit["generation"], repair["backfill_started"]);
    assert_ne!(audit["generation"], repair["generation"]);
    sums_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn an_experiment_without_sums_gets_them_by_a_repair() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    // As if it were from before there were sums.
    for table in ["AggregatesTable", "ExperimentsTable"] {
        world.platform.settle().await;
        let name = &world.platform.template.tables[table].name;
        let keys = match table {
            "AggregatesTable" => ["partition", "item"],
            _ => ["experiment_id", "record"],
        };
        for item in world.items(table).await {
            if item[keys[1]].as_s().unwrap() == "definition" {
                continue;
            }
            let delete = world.platform.dynamodb.delete_item().table_name(name);
            let [a, b] = keys;
            delete
                .key(a, item[a].clone())
                .key(b, item[b].clone())
                .send()
                .await
                .unwrap();
        }
    }
    let audit = admin.post(AUDIT, &json!({})).await.json(200);
    assert_eq!(audit["not_compared"]["code"], "no_aggregates");
    assert_eq!(audit["generation"], Value::Null);
    admin.post(AUDIT, &json!({"repair": true})).await.json(200);
    sums_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn what_is_on_its_way_is_no_drift() {
    let held = Arc::new(AtomicBool::new(false));
    let patience = Duration::from_millis(200);
    let (world, engine) = around("aggregate", patience, gate(&held)).await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    world.platform.settle().await;
    held.store(true, Ordering::SeqCst);
    let event = json!({"user_id": "e-1", "type": "buy", "value": 3, "event_id": "new"});
    assert_eq!(admin.track(&[event]).await["stored"], 1);
    let release = async {
        tokio::time::sleep(Duration::from_millis(1_800)).await;
        held.store(false, Ordering::SeqCst);
    };
    let nothing = json!({});
    let (audit, ()) = tokio::join!(admin.post(AUDIT, &nothing), release);
    let audit = audit.json(200);
    assert_eq!(audit["differing_numbers"], 0, "{audit}");
    assert!(audit["comparisons"].as_u64().unwrap() > 1, "{audit}");
    end(world, engine).await;
}

#[tokio::test]
async fn a_draft_has_nothing_to_audit() {
    let world = World::start().await;
    let admin = world.admin();
    let draft = json!({"status": "draft"});
    admin.experiment("e", draft).await;
    let answer = admin.post(AUDIT, &json!({"repair": true})).await;
    assert_eq!(answer.code(409), "not_started");
    let answer = admin.post(AUDIT, &json!({"repair": 1})).await;
    assert_eq!(answer.code(422), "invalid");
}

#[tokio::test]
async fn the_sample_of_the_day_finds_a_drift_and_passes_on() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["e", "f", "g"] {
        with_data(&admin, id, json!({})).await;
    }
    admin
        .change("g", &json!({"status": "stopped"}))
        .await
        .json(200);
    world.platform.settle().await;
    spoil(&world, "f").await;
    let functions = functions::wire(&world.platform.environments).await.unwrap();
    let mut context = Context::default();
    let now = shared::clock::now().micros() / 1_000;
    context.deadline = u64::try_from(now).unwrap() + 900_000;
    let sample = functions["audit-sample"](json!({}), context).await.unwrap();
    assert_eq!(sample, json!({"experiments": 2, "drifted": 1}));
}
