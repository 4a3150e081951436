//! Audits: comparing the aggregates with the raw records, and repairing them by a backfill.

use super::backfill::{aggregates_are_exact, gate, shut_down, with_data, wrapped};
use super::support::World;
use assay::functions::{self, Notifications};
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::Context;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const AUDIT: &str = "/experiments/e/audit";

/// Adds one to a number of the aggregates. Returns the item and the name of the number.
async fn corrupt(world: &World, id: &str) -> (String, String) {
    let table = &world.platform.template.tables["AggregatesTable"].name;
    let items = world.items("AggregatesTable").await;
    let text = |value: &AttributeValue| value.as_s().unwrap().clone();
    let item = items
        .iter()
        .find(|item| {
            let is_day = text(&item["item"])
                .split_once('#')
                .is_some_and(|(_, name)| name.starts_with("d#"));
            is_day && text(&item["partition"]).starts_with(&format!("aggregate_items#{id}#"))
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
async fn after_ordinary_traffic_no_number_differs() {
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
async fn a_changed_number_is_reported_and_a_repair_corrects_it() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    aggregates_are_exact(&admin, "e").await;
    let (item, number) = corrupt(&world, "e").await;
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
    aggregates_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn a_repair_creates_missing_aggregates() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    // Deletes the aggregates and all records of the experiment except the definition.
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
    assert_eq!(audit["not_compared"]["reason"], "no_aggregates");
    assert_eq!(audit["generation"], Value::Null);
    admin.post(AUDIT, &json!({"repair": true})).await.json(200);
    aggregates_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn pending_records_are_not_differing_numbers() {
    let held = Arc::new(AtomicBool::new(false));
    let settle_timeout = Duration::from_millis(200);
    let (world, engine) = wrapped("aggregate", settle_timeout, gate(&held)).await;
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
    shut_down(world, engine).await;
}

#[tokio::test]
async fn an_audit_of_a_draft_is_refused() {
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
#[ignore = "takes long: scripts/check soak"]
async fn the_daily_sample_finds_differing_numbers_and_continues() {
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
    corrupt(&world, "f").await;
    let functions = functions::wire(&world.platform.environments, &Notifications::default())
        .await
        .unwrap();
    let mut context = Context::default();
    let now = shared::clock::now().micros() / 1_000;
    context.deadline = u64::try_from(now).unwrap() + 900_000;
    let sample = functions["audit-sample"]
        .call(json!({}), context)
        .await
        .unwrap();
    assert_eq!(sample, json!({"experiments": 2, "drifted": 1}));
}
