//! Stored events of a user are limited, so that every user can be erased.

use super::support::{Item, World, ago, encoded};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::event_count::day_of;
use domain::limits::{MAX_STORED_EVENTS_PER_USER, MAX_STORED_EVENTS_PER_USER_DAY};
use serde_json::{Value, json};

fn event(id: &str) -> Value {
    json!({"user_id": "u", "type": "buy", "event_id": id, "timestamp": ago(1).to_string()})
}

fn today() -> i64 {
    day_of(ago(0))
}

async fn count_item(world: &World) -> Option<Item> {
    let items = world.items("AssignmentsTable").await.into_iter();
    let key = AttributeValue::S("#events".to_owned());
    items
        .filter(|item| item["experiment_id"] == key)
        .find(|item| item["user_id"] == AttributeValue::S("u".to_owned()))
}

fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

/// Replaces the number of the user's stored events.
async fn set_count(world: &World, total: u64, day: i64, on_day: u64) {
    let number = |number: &dyn ToString| AttributeValue::N(number.to_string());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let table = &world.platform.template.tables["AssignmentsTable"].name;
    let put = world.platform.dynamodb.put_item().table_name(table);
    put.item("user_id", text("u"))
        .item("experiment_id", text("#events"))
        .item("total", number(&total))
        .item("day", number(&day))
        .item("on_day", number(&on_day))
        .send()
        .await
        .unwrap();
}

/// The status of a single event, and the code of its fault.
async fn outcome(world: &World, id: &str) -> (String, String) {
    let answer = world.admin().track(&[event(id)]).await;
    let outcome = &answer["events"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&outcome["status"]),
        text(&outcome["errors"][0]["code"]),
    )
}

fn stored() -> (String, String) {
    ("stored".to_owned(), String::new())
}

fn refused() -> (String, String) {
    ("rejected".to_owned(), "too_many_events".to_owned())
}

#[tokio::test]
async fn each_stored_event_is_counted_once_for_each_experiment_and_a_duplicate_not_at_all() {
    let world = World::start().await;
    let admin = world.admin();
    assert_eq!(outcome(&world, "before").await, stored());
    assert_eq!(number(&count_item(&world).await.unwrap(), "total"), 1);
    for id in ["one", "two"] {
        admin.experiment(id, json!({})).await;
        let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(60).to_string()});
        admin.import(id, &[row]).await;
    }
    let events: Vec<Value> = ["a", "b", "c", "c"].map(event).into();
    for _ in 0..2 {
        admin.track(&events).await;
        let item = count_item(&world).await.unwrap();
        assert_eq!(number(&item, "total"), 1 + 6);
        assert_eq!(number(&item, "on_day"), 1 + 6);
    }
}

#[tokio::test]
async fn a_user_at_the_limit_of_a_day_is_refused_until_the_next_day_and_duplicates_stay_duplicates()
{
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(60).to_string()});
    admin.import("e", &[row]).await;
    let early = json!({"user_id": "u", "type": "buy", "event_id": "early", "timestamp": ago(90).to_string()});
    admin.track(&[early.clone(), event("first")]).await;
    let most = MAX_STORED_EVENTS_PER_USER_DAY;
    set_count(&world, most - 1, today(), most - 1).await;
    assert_eq!(outcome(&world, "last").await, stored());
    let contents = world.contents().await;
    let answer = admin
        .track(&[event("more"), event("first"), early, event("more")])
        .await;
    assert_eq!(answer["stored"], 0);
    assert_eq!(
        (&answer["duplicates"], &answer["rejected"]),
        (&json!(2), &json!(2))
    );
    let outcomes = answer["events"].as_array().unwrap();
    let fault = &outcomes[0]["errors"][0];
    assert_eq!(fault["code"], "too_many_events");
    assert_eq!(fault["pointer"], "/events/0/user_id");
    assert!(
        fault["detail"].as_str().unwrap().contains("midnight UTC"),
        "{fault}"
    );
    assert_eq!(outcomes[1]["status"], "duplicate");
    assert_eq!(outcomes[1]["counts_for"][0]["experiment_id"], "e");
    assert_eq!(outcomes[2]["reason"], "before_assignment");
    // Another user is not affected.
    let other = json!({"user_id": "v", "type": "buy", "event_id": "more"});
    let alone = admin.post("/events", &event("more")).await.json(200);
    assert_eq!(alone["events"][0]["errors"][0]["pointer"], "/user_id");
    assert_eq!(world.contents().await, contents);
    assert_eq!(admin.track(&[other]).await["stored"], 1);

    set_count(&world, most, today() - 1, most).await;
    assert_eq!(outcome(&world, "more").await, stored());
    let item = count_item(&world).await.unwrap();
    assert_eq!(number(&item, "day"), u64::try_from(today()).unwrap());
    assert_eq!(
        (number(&item, "on_day"), number(&item, "total")),
        (1, most + 1)
    );
}

#[tokio::test]
async fn a_user_at_the_total_is_refused_on_every_day_until_an_erasure() {
    let world = World::start().await;
    let admin = world.admin();
    set_count(&world, MAX_STORED_EVENTS_PER_USER, today() - 3, 1).await;
    assert_eq!(outcome(&world, "more").await, refused());
    let path = format!("/users/{}", encoded("u"));
    admin.send("DELETE", &path, &[], "").await.json(200);
    assert!(count_item(&world).await.is_none());
}

#[tokio::test]
async fn a_count_that_a_concurrent_request_began_is_added_to() {
    let world = World::start().await;
    let admin = world.admin();
    let batch = |number: usize| -> Vec<Value> {
        let ids = (0..20).map(|event| format!("{number}-{event}"));
        ids.map(|id| event(&id)).collect()
    };
    let batches: Vec<Vec<Value>> = (0..5).map(batch).collect();
    let sent = batches.iter().map(|events| admin.track(events));
    futures::future::join_all(sent).await;
    let item = count_item(&world).await.unwrap();
    assert_eq!(
        (number(&item, "total"), number(&item, "on_day")),
        (100, 100)
    );
}
