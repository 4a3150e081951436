//! The first record of an event id holds: for every experiment, whatever a repeat says.

use super::support::{Caller, World, ago};
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::event::Event;
use domain::ids::{EventId, EventType, ExperimentId, UserId, VariantKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The number of events of type `buy` that an experiment counts, by each source.
async fn counted(admin: &Caller, id: &str) -> [u64; 2] {
    let mut counted = [0; 2];
    for (counted, source) in counted.iter_mut().zip(["aggregates", "raw"]) {
        let query = format!("view=monitoring&source={source}");
        let results = admin.results(id, &query).await;
        let events = &results["event_accounting"]["buy"]["counted"];
        *counted = events.as_u64().unwrap_or_default();
    }
    counted
}

/// Each stored record of an event has the same content, apart from the experiment.
async fn contents_are_equal(world: &World) {
    let mut first = BTreeMap::<String, Value>::new();
    for item in world.items("EventsTable").await {
        let mut item: Value = serde_dynamo::from_item(item).unwrap();
        let fields = item.as_object_mut().unwrap();
        for of_experiment in ["experiment_event", "experiment_shard", "stored_at_event"] {
            fields.remove(of_experiment);
        }
        let name = format!("{} {}", item["user_id"], item["event_id"]);
        let known = first.entry(name).or_insert_with(|| item.clone());
        assert_eq!(*known, item);
    }
}

#[tokio::test]
async fn a_repeat_after_a_later_assignment_counts_nowhere_else() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("a", json!({})).await;
    admin.experiment("b", json!({})).await;
    admin.assign("a", "u").await;
    let event = json!({"user_id": "u", "type": "buy", "event_id": "e1", "value": 5});
    let first = admin.track(std::slice::from_ref(&event)).await;
    admin.assign("b", "u").await;
    let second = admin.track(&[event]).await;
    assert_eq!(second["events"][0]["status"], "duplicate", "{second}");
    let counts_for = &second["events"][0]["counts_for"];
    assert_eq!(*counts_for, first["events"][0]["counts_for"]);
    world.platform.settle().await;
    assert_eq!(counted(&admin, "a").await, [1, 1]);
    assert_eq!(counted(&admin, "b").await, [0, 0]);
}

#[tokio::test]
async fn a_repeat_with_any_other_field_changes_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("a", json!({})).await;
    admin.experiment("b", json!({})).await;
    let row = |user: &str, days: i64| json!({"user_id": user, "variant": "green", "assigned_at": ago(days * 86_400).to_string()});
    let at = |days: i64| json!(ago(days * 86_400).to_string());
    // The user is assigned in `a` ten days ago and in `b` five days ago.
    let times = [at(12), at(11), at(7), at(3), Value::Null];
    let mut cases = Vec::new();
    for first in &times {
        for second in &times {
            for (kind, value) in [("buy", json!(5)), ("view", json!(6)), ("buy", Value::Null)] {
                cases.push((first, second, kind, value));
            }
        }
    }
    let users: Vec<String> = (0..cases.len()).map(|case| format!("u{case}")).collect();
    for (id, days) in [("a", 10), ("b", 5)] {
        let rows: Vec<Value> = users.iter().map(|user| row(user, days)).collect();
        admin.import(id, &rows).await;
    }
    let event = |user: &str, time: &Value, kind: &str, value: &Value| {
        let mut event = json!({"user_id": user, "type": kind, "event_id": "one"});
        for (name, given) in [("timestamp", time), ("value", value)] {
            if !given.is_null() {
                event[name] = given.clone();
            }
        }
        event
    };
    let firsts = users.iter().zip(&cases);
    let firsts: Vec<Value> = firsts
        .map(|(user, (first, ..))| event(user, first, "buy", &json!(5)))
        .collect();
    let seconds = users.iter().zip(&cases);
    let seconds: Vec<Value> = seconds
        .map(|(user, (_, second, kind, value))| event(user, second, kind, value))
        .collect();
    let stored = admin.track(&firsts).await;
    assert_eq!(stored["stored"], cases.len(), "{stored}");
    world.platform.settle().await;
    let before = world.contents().await;

    let again = admin.track(&seconds).await;
    assert_eq!(again["duplicates"], cases.len(), "{again}");
    for (one, other) in stored["events"]
        .as_array()
        .unwrap()
        .iter()
        .zip(again["events"].as_array().unwrap())
    {
        let mut expected = one.clone();
        expected["status"] = json!("duplicate");
        assert_eq!(*other, expected);
    }
    assert_eq!(world.contents().await, before);
    contents_are_equal(&world).await;
    for id in ["a", "b"] {
        let [aggregates, raw] = counted(&admin, id).await;
        assert_eq!(aggregates, raw, "{id}");
    }
}

#[tokio::test]
async fn the_first_event_of_an_id_holds_within_a_request() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("a", json!({})).await;
    admin
        .import(
            "a",
            &[json!({"user_id": "u", "variant": "green", "assigned_at": ago(3_600).to_string()})],
        )
        .await;
    let event = |seconds| json!({"user_id": "u", "type": "buy", "event_id": "one", "timestamp": ago(seconds).to_string()});
    let answer = admin.track(&[event(7_200), event(60)]).await;
    assert_eq!(answer["stored"], 1, "{answer}");
    assert_eq!(answer["events"][1]["status"], "duplicate");
    for field in ["counted_at", "counts_for", "reason"] {
        assert_eq!(answer["events"][0][field], answer["events"][1][field]);
    }
    world.platform.settle().await;
    assert_eq!(counted(&admin, "a").await, [0, 0]);
}

#[tokio::test]
async fn an_event_of_another_experiment_that_missed_an_imported_assignment_counts() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["a", "b"] {
        admin.experiment(id, json!({})).await;
    }
    admin.assign("a", "u").await;
    // The request that stores the event read the user's assignments before the import wrote its row, and the import
    // looked for the user's events before this one was stored.
    let user_id = UserId::parse("u").unwrap();
    let row = Assignment {
        user_id: user_id.clone(),
        experiment_id: ExperimentId::parse("b").unwrap(),
        variant: VariantKey::parse("green").unwrap(),
        assigned_at: ago(3_600),
        source: AssignmentSource::Import,
        experiment_version: 1,
        layer: None,
        attributes: Attributes::new(),
    };
    world.store().assign_first(&row, 8).await.unwrap();
    world.platform.settle().await;
    let event = Event {
        id: EventId::parse("one").unwrap(),
        user_id,
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        timestamp: None,
        counted_at: ago(0),
    };
    let a = ExperimentId::parse("a").unwrap();
    let store = world.store();
    let put = store.record_first(&event, Some((&a, 8)), ago(0));
    put.await.unwrap();
    world.platform.settle().await;
    assert_eq!(counted(&admin, "a").await, [1, 1]);
    assert_eq!(counted(&admin, "b").await, [1, 1]);
    contents_are_equal(&world).await;
}
