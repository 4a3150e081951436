//! Backfills and refreshes of more users than fit on one page.

use super::super::support::{World, ago};
use super::{aggregates_are_exact, metrics, more_metrics};
use serde_json::{Value, json};

/// All in one shard. A page has 500 records of an index.
const USERS: i64 = 1_100;
/// This many users are assigned at the same instant, so that pages end between index records with the same time.
const AT_ONCE: i64 = 400;

/// Users, and a purchase of each user an hour after the assignment.
async fn crowd(world: &World) {
    let admin = world.admin();
    let fields = json!({"shards": 1, "metrics": metrics()});
    admin.experiment("e", fields).await;
    let seconds_ago = |i: i64| 3 * 86_400 - i / AT_ONCE * 7_200;
    let rows: Vec<Value> = (0..USERS)
        .map(|i| {
            let variant = if i % 2 == 0 { "control" } else { "green" };
            json!({"user_id": format!("u{i}"), "variant": variant,
                   "assigned_at": ago(seconds_ago(i)).to_string()})
        })
        .collect();
    let events: Vec<Value> = (0..USERS)
        .map(|i| {
            json!({"user_id": format!("u{i}"), "type": "buy", "value": i % 7,
                   "timestamp": ago(seconds_ago(i) - 3_600).to_string()})
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

/// The number of pages of the work whose record starts with `work`.
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
#[ignore = "takes long: scripts/check soak"]
async fn work_continues_page_by_page_until_all_users_are_processed() {
    let world = World::start().await;
    let admin = world.admin();
    crowd(&world).await;

    let more = json!({"metrics": more_metrics()});
    admin.change("e", &more).await.json(200);
    world.platform.settle().await;
    let backfilled = aggregates_are_exact(&admin, "e").await;
    let converted = |report: &Value| -> u64 {
        let variants = report["metrics"][0]["variants"].as_array().unwrap();
        let users = variants.iter().map(|one| one["converted"].as_u64());
        users.map(Option::unwrap).sum()
    };
    assert_eq!(converted(&backfilled), 1_100);
    assert_eq!(pages(&world, "work#build#").await, 3);

    // The end is after the purchases of the first 400 users and before all other purchases.
    let end = json!({"ends_at": ago(3 * 86_400 - 7_200).to_string()});
    admin.change("e", &end).await.json(200);
    world.platform.settle().await;
    let refreshed = aggregates_are_exact(&admin, "e").await;
    assert_eq!(converted(&refreshed), 400);
    // The index is in the order of storing, and all events were stored after the end.
    assert_eq!(pages(&world, "work#pass-active#").await, 3);
    assert_eq!(world.platform.dead_letters().len(), 0);
}
