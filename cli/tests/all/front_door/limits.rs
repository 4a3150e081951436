//! Careless and hostile input: many names, extreme values, and users that cannot be counted.

use super::backfill::aggregates_are_exact;
use super::support::{Caller, World};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const ASSIGNED_AT: &str = "2026-11-02T00:00:00Z";
const LATER: &str = "2026-11-03T00:00:00Z";

async fn imported(admin: &Caller, id: &str, users: usize, attributes: impl Fn(usize) -> Value) {
    let row = |user: usize| {
        json!({
            "user_id": format!("u{user}"),
            "variant": (["control", "green"][user % 2]),
            "assigned_at": ASSIGNED_AT,
            "attributes": attributes(user),
        })
    };
    let rows: Vec<Value> = (0..users).map(row).collect();
    admin.import(id, &rows).await;
}

fn event(user: usize, event_type: &str, id: usize, value: f64) -> Value {
    json!({
        "user_id": format!("u{user}"), "type": event_type, "value": value,
        "timestamp": LATER, "event_id": id.to_string(),
    })
}

async fn tracked(admin: &Caller, events: &[Value]) {
    for events in events.chunks(500) {
        let answer = admin.track(events).await;
        assert_eq!(answer["stored"], events.len(), "{answer}");
    }
}

/// The names of a JSON object, or the values of its field in a list.
fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn rare_event_types_share_a_place_and_declared_ones_keep_theirs() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    imported(&admin, "e", 20, |_| json!({})).await;
    let page = |number: usize| event(number % 20, &format!("page/{number}"), number, 1.0);
    let pages: Vec<Value> = (0..200).map(page).collect();
    tracked(&admin, &pages).await;
    tracked(&admin, &[event(3, "buy", 1_000, 5.0)]).await;
    aggregates_are_exact(&admin, "e").await;
    let report = admin
        .results("e", "view=monitoring&source=aggregates")
        .await;
    let types = names(&report["event_accounting"]);
    assert_eq!(types.len(), 66, "64 types, the rest and the declared one");
    assert_eq!(report["event_accounting"]["buy"]["counted"], 1);
    assert_eq!(report["event_accounting"]["(other types)"]["counted"], 136);
    let audit = admin.post("/experiments/e/audit", &json!({})).await;
    assert_eq!(audit.json(200)["differing_numbers"], 0);
}

#[tokio::test]
async fn an_event_cannot_have_the_name_of_the_rest() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"dimensions": ["city"]})).await;
    let answer = admin
        .post("/events", &event(0, "(other types)", 1, 1.0))
        .await;
    assert_eq!(answer.code(422), "invalid");
    let path = "/experiments/e/assignment/u?city=%28other%20values%29";
    assert_eq!(admin.get(path).await.code(400), "bad_parameters");
}

#[tokio::test]
async fn without_declared_metrics_the_most_frequent_types_are_shown_and_the_rest_is_counted() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    imported(&admin, "e", 20, |_| json!({})).await;
    // Type 0 has one event, type 29 thirty.
    let of_type = |number: usize| (0..=number).map(move |event| (number, event));
    let all = (0..30).flat_map(of_type).map(|(number, one)| {
        let id = number * 100 + one;
        event(one % 20, &format!("t{number:02}"), id, 1.0)
    });
    tracked(&admin, &all.collect::<Vec<_>>()).await;
    aggregates_are_exact(&admin, "e").await;
    let report = admin.results("e", "").await;
    assert_eq!(report["event_types_left_out"], 10);
    let metrics = report["metrics"].as_array().unwrap();
    let types: BTreeSet<&str> = metrics
        .iter()
        .map(|metric| metric["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(types.len(), 20);
    assert!(types.contains("t29") && !types.contains("t09"), "{types:?}");
    let one = admin.results("e", "metrics=t00.conversion").await;
    assert_eq!(one["metrics"].as_array().unwrap().len(), 1, "still there");
}

#[tokio::test]
async fn rare_dimension_values_share_a_group_that_no_real_value_joins() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"dimensions": ["city"]})).await;
    // Two users have no value.
    let city = |user| match user {
        80.. => json!({}),
        _ => json!({"city": format!("c{user:02}")}),
    };
    imported(&admin, "e", 82, city).await;
    tracked(&admin, &[event(79, "buy", 1, 5.0)]).await;
    aggregates_are_exact(&admin, "e").await;
    let report = admin.results("e", "source=aggregates").await;
    let values = &report["metrics"][0]["dimensions"][0]["values"];
    let values = values.as_array().unwrap();
    assert_eq!(values.len(), 52, "50 values, `(none)` and the rest");
    let none = values.iter().find(|one| one["value"] == "(none)");
    assert_eq!(none.unwrap()["users"], json!([1, 1]));
    let rest = values.iter().find(|one| one["value"] == "(other values)");
    let users = rest.unwrap()["users"].as_array().unwrap().iter();
    assert_eq!(users.map(|n| n.as_u64().unwrap()).sum::<u64>(), 30);
    // A user is found by the user's own value, also without a group of its own.
    let found: Vec<Value> = {
        let mut found = Vec::new();
        for city in 0..80 {
            let query = format!("dimension=city:c{city:02}");
            let report = admin.results("e", &query).await;
            found.push(report["variants"].clone());
        }
        found
    };
    let users = |variants: &Value| {
        let variants = variants.as_array().unwrap().iter();
        variants
            .map(|one| one["users"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert!(found.iter().all(|variants| users(variants) == 1));
}

#[tokio::test]
async fn a_user_with_an_extreme_total_is_an_outlier_user_in_both_sources() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "revenue", "kind": "sum", "event_type": "buy"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    imported(&admin, "e", 4, |_| json!({})).await;
    let most = 999_999_999.999_999;
    let events = [
        event(0, "buy", 1, most),
        event(1, "buy", 2, most),
        event(1, "buy", 3, 0.01),
        event(2, "view", 4, most),
        event(2, "view", 5, most),
    ];
    tracked(&admin, &events).await;
    aggregates_are_exact(&admin, "e").await;
    let report = admin.results("e", "source=aggregates").await;
    let of = |name: &str| -> Vec<u64> {
        let variants = report["variants"].as_array().unwrap().iter();
        variants.map(|one| one[name].as_u64().unwrap()).collect()
    };
    // User 1 is beyond the limit, user 0 just within it, and no metric sums the values of user 2.
    assert_eq!((of("outlier_users"), of("users")), (vec![0, 1], vec![2, 1]));
}

#[tokio::test]
async fn a_user_that_cannot_be_counted_holds_up_nobody_until_a_repair() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    imported(&admin, "e", 6, |_| json!({})).await;
    world.platform.settle().await;
    damage_the_contribution(&world, "u0").await;
    let events: Vec<Value> = (0..6).map(|user| event(user, "buy", user, 1.0)).collect();
    tracked(&admin, &events).await;
    world.platform.settle().await;
    let report = admin.results("e", "source=aggregates").await;
    assert_eq!(report["event_accounting"]["buy"]["counted"], 5, "{report}");
    assert_eq!(report["freshness"]["quarantined_users"], 1);
    let audit = admin
        .post("/experiments/e/audit", &json!({}))
        .await
        .json(200);
    assert_eq!(audit["quarantined_users"], 1, "{audit}");
    assert_eq!(audit["quarantined"][0]["user_id"], "u0");
    assert!(audit["differing_numbers"].as_u64().unwrap() > 0, "{audit}");

    let repair = json!({"repair": true});
    admin.post("/experiments/e/audit", &repair).await.json(200);
    world.platform.settle().await;
    let report = admin.results("e", "source=aggregates").await;
    assert_eq!(report["event_accounting"]["buy"]["counted"], 6);
    assert_eq!(report["freshness"].get("quarantined_users"), None);
    aggregates_are_exact(&admin, "e").await;
}

/// The largest delay of results allowed beside a quarantined user.
const LARGEST_LAG: Duration = Duration::from_secs(5);

/// Waits until the results count this many events of the type `buy`, and returns how long it took.
async fn counted_after(admin: &Caller, events: u64) -> Duration {
    let started = Instant::now();
    loop {
        let report = admin
            .results("e", "view=monitoring&source=aggregates")
            .await;
        if report["event_accounting"]["buy"]["counted"] == events {
            return started.elapsed();
        }
        assert!(started.elapsed() < LARGEST_LAG, "{report}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[expect(clippy::print_stdout, reason = "docs/design.md shows the figure")]
#[tokio::test]
async fn others_are_counted_in_seconds_beside_a_quarantined_user() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    let one_shard = json!({"metrics": metrics, "shards": 1});
    admin.experiment("e", one_shard).await;
    imported(&admin, "e", 50, |_| json!({})).await;
    world.platform.settle().await;
    damage_the_contribution(&world, "u0").await;
    let mut largest = Duration::ZERO;
    for round in 1..=10 {
        // The events of the user that cannot be counted come first in each batch.
        let events: Vec<Value> = (0..100)
            .map(|number| event(number / 2, "buy", round * 1_000 + number, 1.0))
            .collect();
        tracked(&admin, &events).await;
        let round = u64::try_from(round).unwrap();
        largest = largest.max(counted_after(&admin, round * 98).await);
    }
    println!("the results of 49 users are {largest:.1?} old at most, beside a quarantined user");
    let more =
        json!({"metrics": [metrics[0], {"key": "spend", "kind": "sum", "event_type": "buy"}]});
    admin.change("e", &more).await.json(200);
    world.platform.settle().await;
    let report = admin.results("e", "source=aggregates").await;
    assert_eq!(report["metrics"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(
        report["event_accounting"]["buy"]["counted"], 1_000,
        "a backfill begins anew"
    );
}

#[tokio::test]
async fn a_repair_can_be_requested_when_the_comparison_fails() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    imported(&admin, "e", 2, |_| json!({})).await;
    tracked(&admin, &[event(0, "buy", 1, 1.0)]).await;
    world.platform.settle().await;
    let events = &world.platform.template.tables["EventsTable"].name;
    let item = world.items("EventsTable").await.remove(0);
    let update = world.platform.dynamodb.update_item().table_name(events);
    update
        .key("user_id", item["user_id"].clone())
        .key("experiment_event", item["experiment_event"].clone())
        .update_expression("REMOVE event_type")
        .send()
        .await
        .unwrap();
    let repair = json!({"repair": true});
    let audit = admin.post("/experiments/e/audit", &repair).await.json(200);
    assert_eq!(audit["not_compared"]["reason"], "unreadable", "{audit}");
    assert!(audit["backfill_started"].is_u64(), "{audit}");
    world.platform.settle().await;
    let report = admin.results("e", "source=aggregates").await;
    assert_eq!(report["freshness"]["quarantined_users"], 1, "{report}");
    let users: u64 = report["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["users"].as_u64().unwrap())
        .sum();
    assert_eq!(users, 1, "the other user is counted");
    let audit = admin
        .post("/experiments/e/audit", &json!({}))
        .await
        .json(200);
    assert_eq!(audit["not_compared"]["reason"], "unreadable", "{audit}");
    assert_eq!(
        audit["quarantined_users"], 1,
        "known, although not compared"
    );
}

/// Replaces the text of a user's contribution by one that cannot be read.
async fn damage_the_contribution(world: &World, user: &str) {
    let table = &world.platform.template.tables["AggregatesTable"].name;
    let items = world.items("AggregatesTable").await;
    let partition = AttributeValue::S(format!("user#{user}"));
    let item = items.iter().find(|item| item["partition"] == partition);
    let update = world.platform.dynamodb.update_item().table_name(table);
    update
        .key("partition", partition.clone())
        .key("item", item.unwrap()["item"].clone())
        .update_expression("SET contribution = :damaged")
        .expression_attribute_values(":damaged", AttributeValue::S("{".to_owned()))
        .send()
        .await
        .unwrap();
}
