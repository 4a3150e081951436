//! An erasure works in steps of bounded size: tombstone, contributions, events, assignments.

use super::super::proxy::Counter;
use super::super::support::{Caller, World, ago};
use super::put_tombstone;
use super::users::{items_of, only_empty_contributions, text};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::ids::UserId;
use serde_json::json;
use std::time::{Duration, Instant};

const USER: &str = "busy";
/// More than one step lists: a page of a query has at most 4,000 keys.
const EVENTS: usize = 4_101;

/// Stores a user with more events than one step deletes. All but the first are copies of it with other ids.
async fn busy_user(world: &World) -> Caller {
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let row = json!({"user_id": USER, "variant": "green", "assigned_at": ago(3_600).to_string()});
    admin.import("e", &[row]).await;
    let first = json!({"user_id": USER, "type": "tick", "event_id": "first"});
    admin.track(&[first]).await;
    let first = world.items("EventsTable").await.remove(0);
    let text = |text: String| AttributeValue::S(text);
    let counted_at = first["counted_at"].as_s().unwrap();
    let copy = |number: usize| {
        let mut item = first.clone();
        item.insert("event_id".to_owned(), text(number.to_string()));
        item.insert("experiment_event".to_owned(), text(format!("e#{number}")));
        let position = text(format!("{counted_at}#{number}"));
        item.insert("stored_at_event".to_owned(), position);
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let copies: Vec<WriteRequest> = (1..EVENTS).map(copy).collect();
    let table = &world.platform.template.tables["EventsTable"].name;
    for batch in copies.chunks(25) {
        let write = world.platform.dynamodb.batch_write_item();
        let write = write.request_items(table, batch.to_vec()).send().await;
        let left = write.unwrap().unprocessed_items.unwrap_or_default();
        assert!(left.is_empty(), "{left:?}");
    }
    world.platform.settle().await;
    admin
}

async fn records(world: &World) -> usize {
    let items = items_of(world, USER).await.into_iter();
    let is_record = |(table, item): &(&str, _)| {
        *table == "EventsTable"
            || *table == "AssignmentsTable" && text(item, "experiment_id") != "#erased"
    };
    items.filter(is_record).count()
}

#[tokio::test]
async fn the_steps_of_an_erasure_are_in_the_order_that_a_repeat_needs() {
    let (world, counter) = Counter::start().await;
    let admin = busy_user(&world).await;
    counter.take();
    let path = format!("/users/{USER}");
    let answer = admin.send("DELETE", &path, &[], "").await.json(200);
    assert_eq!(answer["events"], EVENTS);
    assert_eq!(answer["assignments"], 1);
    assert_eq!(answer["experiments"], json!(["e"]));
    let calls = counter.take();
    let positions = |operation: &str, table: &str| -> Vec<usize> {
        let is_it = |call: &super::super::proxy::Call| {
            call.operation == operation && call.accesses.iter().any(|one| one.resource == table)
        };
        let found = calls.iter().enumerate().filter(|(_, call)| is_it(call));
        found.map(|(position, _)| position).collect()
    };
    let tombstone = positions("PutItem", "AssignmentsTable");
    let events = positions("TransactWriteItems", "EventsTable");
    let assignments = positions("TransactWriteItems", "AssignmentsTable");
    let deletions = |position: &usize| events.contains(position) || assignments.contains(position);
    let mut contributions = positions("TransactWriteItems", "AggregatesTable");
    contributions.retain(|position| !deletions(position));
    let reads = positions("Query", "AssignmentsTable");
    assert_eq!(tombstone.len(), 1, "{calls:?}");
    assert_eq!(assignments.len(), 1, "{calls:?}");
    assert!(tombstone[0] < reads[0], "the tombstone is first");
    assert!(contributions.last() < events.first());
    assert!(events.last() < assignments.first());
    // No step lists more keys than one page of a query has: two steps with keys, one without.
    let listed = positions("Query", "EventsTable").len();
    assert!((3..=5).contains(&listed), "{listed}");
    counter.shutdown(world).await;
}

#[tokio::test]
async fn an_erasure_without_time_says_so_and_repeats_complete_it() {
    let world = World::start().await;
    let admin = busy_user(&world).await;
    let store = world.store();
    let user = UserId::parse(USER).unwrap();
    let mut remaining = vec![records(&world).await];
    let (mut found, mut time) = (0, Duration::from_millis(10));
    loop {
        let deadline = Instant::now() + time;
        let erased = store.erase(&user, ago(0), "a test", deadline).await;
        remaining.push(records(&world).await);
        time *= 2;
        match erased {
            Err(error) => assert!(error.is_passing(), "{error}"),
            Ok(erased) => {
                found += erased.events;
                if erased.is_complete {
                    break;
                }
            }
        }
    }
    assert!(
        remaining.is_sorted_by(|before, after| before >= after),
        "{remaining:?}"
    );
    assert_eq!(remaining.last(), Some(&0), "{remaining:?}");
    assert!(found <= EVENTS, "{found}");
    assert!(
        remaining.len() > 2,
        "the first call has time for everything"
    );
    world.platform.settle().await;
    assert_eq!(only_empty_contributions(&world, USER).await, 1);
    assert_eq!(
        admin.results("e", "source=aggregates").await["variants"][1]["users"],
        0
    );
    let again = admin.send("DELETE", "/users/busy", &[], "").await.json(200);
    assert_eq!(
        (&again["events"], &again["assignments"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn the_aggregator_deletes_all_records_of_an_erasure_whose_caller_gave_up() {
    let world = World::start().await;
    busy_user(&world).await;
    put_tombstone(&world, USER).await;
    world.platform.settle().await;
    assert_eq!(records(&world).await, 0);
    assert_eq!(only_empty_contributions(&world, USER).await, 1);
    assert_eq!(world.platform.dead_letters().len(), 0);
}
