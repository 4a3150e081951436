//! Work on more users than one page takes.

use super::super::support::{World, ago};
use super::{metrics, more_metrics, sums_are_exact};
use serde_json::{Value, json};

/// In one shard. A page takes 500 records of an index.
const USERS: i64 = 1_100;
/// So many come in the same instant, so that pages end between records that an index has at one place.
const AT_ONCE: i64 = 400;

/// Users, and an hour later what each of them buys.
async fn crowd(world: &World) {
    let admin = world.admin();
    let fields = json!({"shards": 1, "metrics": metrics()});
    admin.experiment("e", fields).await;
    let came = |i: i64| 3 * 86_400 - i / AT_ONCE * 7_200;
    let rows: Vec<Value> = (0..USERS)
        .map(|i| {
            let variant = if i % 2 == 0 { "control" } else { "green" };
            json!({"user_id": format!("u{i}"), "variant": variant,
                   "assigned_at": ago(came(i)).to_string()})
        })
        .collect();
    let events: Vec<Value> = (0..USERS)
        .map(|i| {
            json!({"user_id": format!("u{i}"), "type": "buy", "value": i % 7,
                   "timestamp": ago(came(i) - 3_600).to_string()})
        })
        .collect();
    for rows in rows.chunks(500) {
        admin.import("e", rows).await;
    }
    for events in events.chunks(500) {
        admin.track(events).await;
    }
    world.platform.settle().await;
}

/// Pages of the work that begins so.
async fn pages(world: &World, work: &str) -> u64 {
    let items = world.items("ExperimentsTable").await;
    let mut items = items
        .into_iter()
        .map(|item| serde_dynamo::from_item::<_, Value>(item).unwrap())
        .filter(|item| item["record"].as_str().unwrap().starts_with(work));
    let item = items.next().unwrap();
    assert!(items.next().is_none() && item["expires_at"].is_number());
    item["pages"].as_u64().unwrap()
}

#[tokio::test]
async fn work_goes_on_from_page_to_page_until_nobody_is_left() {
    let world = World::start().await;
    let admin = world.admin();
    crowd(&world).await;

    let more = json!({"metrics": more_metrics()});
    admin.change("e", &more).await.json(200);
    world.platform.settle().await;
    let built = sums_are_exact(&admin, "e").await;
    let converted = |report: &Value| -> u64 {
        let variants = report["metrics"][0]["variants"].as_array().unwrap();
        let users = variants.iter().map(|one| one["converted"].as_u64());
        users.map(Option::unwrap).sum()
    };
    assert_eq!(converted(&built), 1_100);
    // Three of users, and a second look at those who came a moment ago.
    assert_eq!(pages(&world, "work#build#").await, 4);

    // After the first 400 have bought, and before the others do.
    let end = json!({"ends_at": ago(3 * 86_400 - 7_200).to_string()});
    admin.change("e", &end).await.json(200);
    world.platform.settle().await;
    let swept = sums_are_exact(&admin, "e").await;
    assert_eq!(converted(&swept), 400);
    assert_eq!(pages(&world, "work#sweep-active#").await, 3);
    assert_eq!(world.platform.dead_letters().len(), 0);
}
