//! Definitions and audit records that an earlier version stored are read unchanged.

use super::support::World;
use serde_json::{Value, json};

/// A definition and its audit record as they were stored before targeting, overrides, ramps and documentation existed.
fn recorded() -> [Value; 2] {
    let definition = json!({
        "id": "earlier", "version": 2, "name": "Earlier", "description": "Of an earlier version.", "status": "running",
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50, "name": "Green"}],
        "traffic_percent": 100, "hash_seed": "earlier",
        "phases": [
            {"since": "2026-11-01T00:00:00.000000Z", "traffic_percent": 10, "percents": [50, 50]},
            {"since": "2026-11-02T00:00:00.000000Z", "traffic_percent": 100, "percents": [50, 50]},
        ],
        "started_at": "2026-11-01T00:00:00.000000Z", "ends_at": "2099-01-01T00:00:00.000000Z",
        "planned_end": "2099-01-01T00:00:00.000000Z", "dimensions": ["country"],
        "metrics": [{"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary", "direction": "increase"}],
        "plan": {"metric": "buyers", "minimum_detectable_effect": 0.1, "alpha": 0.05, "power": 0.8, "users": 1000},
        "shards": 2, "created_at": "2026-11-01T00:00:00.000000Z", "updated_at": "2026-11-02T00:00:00.000000Z",
    });
    [
        json!({
            "experiment_id": "earlier", "record": "definition", "status": "running",
            "created_at_id": "2026-11-01T00:00:00.000000Z#earlier", "version": 2, "creation_digest": "00", "definition": definition,
        }),
        json!({
            "experiment_id": "earlier", "record": "audit#0000000002", "at": "2026-11-02T00:00:00.000000Z", "by": "alice",
            "definition": definition,
        }),
    ]
}

/// The same value with whole numbers as such: DynamoDB does not keep how a number was written.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(elements) => elements.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_definition_of_an_earlier_version_is_read_unchanged_and_can_be_used() {
    let world = World::start().await;
    let admin = world.admin();
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    for record in recorded() {
        let item = serde_dynamo::to_item(record).unwrap();
        let put = world.platform.dynamodb.put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }
    let read = admin.get("/experiments/earlier").await.json(200);
    assert_eq!(plain(&read), plain(&recorded()[0]["definition"]));
    // It is listed and found although the index for searches has no texts of it.
    for query in ["", "?text=earlier+version", "?status=running&text=buyers"] {
        let list = admin.get(&format!("/experiments{query}")).await.json(200);
        assert_eq!(list["experiments"][0]["id"], "earlier", "{query}");
    }
    let other = admin.get("/experiments?text=another").await.json(200);
    assert_eq!(other["experiments"], json!([]));
    let answer = admin
        .get("/experiments/earlier/assignment/u?country=DE&attributes.age=3")
        .await
        .json(200);
    assert_eq!(
        (&answer["reason"], &answer["experiment_version"]),
        (&json!("new"), &json!(2))
    );
    let buy = json!({"user_id": "u", "type": "buy", "event_id": "1"});
    assert_eq!(admin.track(&[buy]).await["stored"], 1);
    world.platform.settle().await;
    admin.get("/experiments/earlier/results").await.json(200);
    let changed = admin
        .change("earlier", &json!({"targeting": {"country": "DE"}}))
        .await
        .json(200);
    assert_eq!(changed["version"], 3);
    assert_eq!(changed["phases"], read["phases"]);
    let history = admin.get("/experiments/earlier/history").await.json(200);
    let changes = json!([{"field": "targeting", "after": {"country": "DE"}}]);
    assert_eq!(history["entries"][0]["changes"], changes);
}

#[tokio::test]
async fn a_search_reads_a_bounded_number_of_earlier_definitions_and_goes_on_with_the_next_request()
{
    let world = World::start().await;
    let admin = world.admin();
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let [earlier, _] = recorded();
    for number in 0..130 {
        let mut item = earlier.clone();
        let id = format!("earlier-{number:03}");
        item["created_at_id"] = json!(format!("2026-11-01T00:00:00.000000Z#{id}"));
        for place in ["/experiment_id", "/definition/id"] {
            *item.pointer_mut(place).unwrap() = json!(id);
        }
        if number == 0 {
            item["definition"]["name"] = json!("The oldest");
        }
        let item = serde_dynamo::to_item(item).unwrap();
        let put = world.platform.dynamodb.put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }
    let first = admin.get("/experiments?text=oldest").await.json(200);
    assert_eq!(first["experiments"], json!([]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/experiments?text=oldest&cursor={cursor}");
    let second = admin.get(&path).await.json(200);
    assert_eq!(second["experiments"][0]["id"], "earlier-000");
    assert!(second.get("next_cursor").is_none());
}
