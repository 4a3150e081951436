//! Users with records in all kinds of experiments, and a check of what an erasure leaves.

use super::super::support::{Caller, Item, World, ago, encoded};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::event::Event;
use domain::ids::{EventId, EventType, UserId};
use domain::limits::ERASED_DAYS;
use domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Contains `/`, a `%` that looks like an encoding, `#`, and a character of four bytes.
pub(super) const USER: &str = "team/ann#1 100%25 😀";
/// Ids that begin with [`USER`], ids that [`USER`] begins with, and ids that look like keys of the tables.
pub(super) const OTHERS: [&str; 6] = [
    "team/ann#1 100%25 😀2",
    "team/ann#1",
    "team/ann",
    "#erased",
    "team%2Fann#1 100%25 😀",
    "user#team/ann#1 100%25 😀",
];
pub(super) const EXPERIMENTS: [&str; 3] = ["declared", "seen", "ended"];
/// Every source and view of results.
pub(super) const QUERIES: [&str; 7] = [
    "source=raw",
    "source=aggregates",
    "source=raw&cuped=true",
    "source=aggregates&cuped=true",
    "source=aggregates&view=monitoring",
    "source=raw&view=monitoring",
    "source=aggregates&dimension=none",
];

pub(super) fn path(user: &str) -> String {
    format!("/users/{}", encoded(user))
}

pub(super) async fn erase(caller: &Caller, user: &str) -> Value {
    let answer = caller.send("DELETE", &path(user), &[], "").await;
    answer.json(200)
}

pub(super) async fn export(caller: &Caller, user: &str) -> Value {
    caller.get(&path(user)).await.json(200)
}

/// Creates three experiments: one with metrics and dimensions, one without, and one that has ended.
pub(super) async fn experiments(admin: &Caller) {
    let metrics = json!([
        {"key": "buys", "kind": "conversion", "event_type": "buy"},
        {"key": "worth", "kind": "sum", "event_type": "buy", "cap_percentile": 0.95},
        {"key": "middle", "kind": "quantile", "event_type": "buy", "quantile": 0.5},
    ]);
    let declared = json!({"metrics": metrics, "dimensions": ["country"]});
    admin.experiment("declared", declared).await;
    admin.experiment("seen", json!({})).await;
    let end = json!({"ends_at": ago(3600).to_string()});
    admin.experiment("ended", end).await;
}

/// Imports users into all experiments, with events before and after their assignments, after the end, and of types
/// without a metric.
pub(super) async fn import_users(admin: &Caller, users: &[&str], now: Timestamp) {
    let ago = |hours: i64| now.plus_micros(-hours * 3_600_000_000).to_string();
    for id in EXPERIMENTS {
        let row = |(index, user): (usize, &&str)| {
            let variant = ["control", "green"][index % 2];
            let mut row = json!({"user_id": user, "variant": variant, "assigned_at": ago(5 * 24)});
            if id == "declared" {
                let country = ["FR", "DE"][usize::from(*user == USER)];
                row["attributes"] = json!({ "country": country });
            }
            row
        };
        let rows: Vec<Value> = users.iter().enumerate().map(row).collect();
        assert_eq!(admin.import(id, &rows).await["stored"], users.len());
    }
    for (index, user) in users.iter().enumerate() {
        let event = |kind: &str, value: usize, hours: i64| json!({"user_id": user, "type": kind, "value": value, "timestamp": ago(hours), "properties": {"of": user}});
        let mut events = vec![
            event("buy", 3, 6 * 24),
            event("buy", index + 1, 4 * 24),
            event("buy", 7, 0),
            event("view", 1, 3 * 24),
        ];
        events.extend((30..60).map(|hours| event("tick", 1, hours)));
        if *user == USER {
            events.push(event("only this user", 2, 50));
        }
        let answer = admin.track(&events).await;
        assert_eq!(answer["stored"], events.len(), "{answer}");
    }
}

/// A platform with all users, and its results before [`USER`] was imported.
pub(super) async fn world() -> (World, Vec<Value>) {
    let world = World::start().await;
    let admin = world.admin();
    experiments(&admin).await;
    // An erasure does not shorten the reported range of the data, so all users have the same times.
    let now = ago(0);
    import_users(&admin, &OTHERS, now).await;
    let before = results(&admin).await;
    import_users(&admin, &[USER], now).await;
    (world, before)
}

pub(super) async fn results(admin: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    for id in EXPERIMENTS {
        for query in QUERIES {
            all.push(admin.results(id, query).await);
        }
    }
    all
}

pub(super) fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map_or("", String::as_str)
}

/// All items of a user, each with its table.
pub(super) async fn items_of(world: &World, user: &str) -> Vec<(&'static str, Item)> {
    let mut found = Vec::new();
    for (table, key, of) in [
        ("AssignmentsTable", "user_id", user.to_owned()),
        ("EventsTable", "user_id", user.to_owned()),
        ("AggregatesTable", "partition", format!("user#{user}")),
    ] {
        let items = world.items(table).await.into_iter();
        let items = items.filter(|item| text(item, key) == of);
        found.extend(items.map(|item| (table, item)));
    }
    found
}

/// All items of the other users.
pub(super) async fn others(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for user in OTHERS {
        for item in items_of(world, user).await {
            all.insert(format!("{:?}", (item.0, sorted(&item.1))));
        }
    }
    all
}

pub(super) fn sorted(item: &Item) -> Vec<(&String, &AttributeValue)> {
    let mut fields: Vec<_> = item.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

pub(super) fn names(item: &Item) -> Vec<&str> {
    sorted(item)
        .into_iter()
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Checks that only the tombstone and empty contributions remain of an erased user. Returns the number of empty
/// contributions.
pub(super) async fn only_empty_contributions(world: &World, user: &str) -> usize {
    let mut contributions = 0;
    let mut tombstones = Vec::new();
    for (table, item) in items_of(world, user).await {
        if table == "AssignmentsTable" && text(&item, "experiment_id") == "#erased" {
            let expected = ["erased_at", "experiment_id", "expires_at", "user_id"];
            assert_eq!(names(&item), expected);
            tombstones.push(item["expires_at"].clone());
        } else {
            assert_eq!(table, "AggregatesTable", "{item:?}");
            let expected = [
                "contribution",
                "expires_at",
                "item",
                "partition",
                "revision",
            ];
            assert_eq!(names(&item), expected);
            assert_eq!(text(&item, "contribution"), "{}");
            tombstones.push(item["expires_at"].clone());
            contributions += 1;
        }
    }
    let ends: BTreeSet<&String> = tombstones.iter().map(|end| end.as_n().unwrap()).collect();
    assert_eq!(ends.len(), 1, "{tombstones:?}");
    let end: i64 = ends.first().unwrap().parse().unwrap();
    let expected = ago(-ERASED_DAYS * 86_400).epoch_seconds();
    assert!((expected - 120..=expected).contains(&end), "{end}");
    contributions
}

pub(super) fn an_event(id: &str, counted_at: Timestamp) -> Event {
    Event {
        id: EventId::parse(id).unwrap(),
        user_id: UserId::parse(USER).unwrap(),
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        timestamp: Some(counted_at),
        counted_at,
    }
}
