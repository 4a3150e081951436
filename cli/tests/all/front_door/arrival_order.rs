//! Which events count. Results do not depend on the order in which records arrive.

use super::support::{World, ago};
use domain::time::Timestamp;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

/// A record of the history: a row of an import, or an event.
#[derive(Clone)]
enum Fact {
    Assigned(Value),
    Happened(Value),
}

/// Twelve users. Most of them are assigned, with events before the assignment, at its microsecond, right after it, and
/// later.
fn history(random: &mut Pcg64) -> Vec<Fact> {
    let start = ago(86_400);
    let mut facts = Vec::new();
    for user in 0..12 {
        let user_id = format!("user-{user}");
        let assigned_at = start.plus_micros(random.random_range(0..1_000_000_000));
        if user % 5 != 4 {
            let variant = ["control", "green"][random.random_range(0..2)];
            let assigned_at = assigned_at.to_string();
            let row = json!({"user_id": user_id, "variant": variant, "assigned_at": assigned_at});
            facts.push(Fact::Assigned(row));
        }
        for number in 0..random.random_range(0..6) {
            let after = [-1_000_000, -1, 0, 1, 2, 5_000_000_000][random.random_range(0..6)];
            let timestamp = assigned_at.plus_micros(after).to_string();
            let value = format!(
                "{}.{:06}",
                random.random_range(0..50),
                random.random_range(0..1_000_000)
            );
            let event_type = ["buy", "view"][random.random_range(0..2)];
            let mut event = json!({
                "user_id": user_id,
                "type": event_type,
                "timestamp": timestamp,
                "value": serde_json::from_str::<Value>(&value).unwrap(),
            });
            if random.random_bool(0.5) {
                event["event_id"] = json!(format!("event-{number}"));
            }
            facts.push(Fact::Happened(event));
        }
    }
    facts
}

fn metrics() -> Value {
    let metric =
        |key, kind, event_type| json!({"key": key, "kind": kind, "event_type": event_type});
    json!({"shards": 3, "metrics": [
        metric("buyers", "conversion", "buy"), metric("buys", "count", "buy"),
        metric("revenue", "sum", "buy"), metric("views", "count", "view"),
    ]})
}

/// The results after these facts arrived in this order, in requests of random sizes.
async fn results_of(facts: &[Fact], random: &mut Pcg64) -> Value {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", metrics()).await;
    let mut rest = facts;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(random.random_range(1..=rest.len().min(8)));
        rest = later;
        // Adjacent facts of one kind go into one request.
        for chunk in
            now.chunk_by(|a, b| matches!(a, Fact::Assigned(_)) == matches!(b, Fact::Assigned(_)))
        {
            let values: Vec<Value> = chunk
                .iter()
                .map(|fact| match fact {
                    Fact::Assigned(value) | Fact::Happened(value) => value.clone(),
                })
                .collect();
            match chunk[0] {
                Fact::Assigned(_) => admin.import("e", &values).await,
                Fact::Happened(_) => admin.track(&values).await,
            };
        }
    }
    let mut results = admin.results("e", "").await;
    // Each platform creates its experiment at another time.
    results["experiment"]["started_at"].take();
    results
}

#[tokio::test]
async fn results_do_not_depend_on_the_order_in_which_history_arrives() {
    for seed in 0..4 {
        let mut random = Pcg64::seed_from_u64(seed);
        let facts = history(&mut random);
        let is_event = |fact: &Fact| matches!(fact, Fact::Happened(_));
        let mut events_last = facts.clone();
        events_last.sort_by_key(is_event);
        let expected = results_of(&events_last, &mut random).await;
        let users: u64 = expected["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["users"].as_u64().unwrap())
            .sum();
        assert_eq!(users, 10);

        let mut events_first = facts.clone();
        events_first.sort_by_key(|fact| !is_event(fact));
        let mut mixed = facts.clone();
        mixed.shuffle(&mut random);
        // Everything twice, in another order.
        let mut twice = [facts.clone(), mixed.clone()].concat();
        twice.shuffle(&mut random);
        for (order, facts) in [("first", events_first), ("mixed", mixed), ("twice", twice)] {
            let results = results_of(&facts, &mut random).await;
            assert_eq!(results, expected, "seed {seed}, events {order}");
        }
    }
}

/// Whether an event at this distance from the assignment counts, in microseconds.
async fn counts(after: i64) -> (bool, Value) {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let at = ago(60);
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": at.to_string()});
    admin.import("e", &[row]).await;
    let event =
        json!({"user_id": "u", "type": "buy", "timestamp": at.plus_micros(after).to_string()});
    let answer = admin.track(&[event]).await["events"][0].take();
    let results = admin.results("e", "").await;
    let in_results = !results["metrics"].as_array().unwrap().is_empty();
    assert_eq!(in_results, answer["counts_for"] != json!([]), "{answer}");
    (in_results, answer)
}

#[tokio::test]
async fn only_an_event_strictly_after_the_assignment_counts() {
    for after in [-1_000_000, -1, 0] {
        let (counted, answer) = counts(after).await;
        assert!(!counted, "{after} µs after");
        assert_eq!(answer["reason"], "before_assignment");
        assert_eq!(answer["status"], "stored");
    }
    for after in [1, 1_000_000] {
        let (counted, answer) = counts(after).await;
        assert!(counted, "{after} µs after");
        let expected = json!([{"experiment_id": "e", "variant": "green"}]);
        assert_eq!(answer["counts_for"], expected);
    }
}

#[tokio::test]
async fn a_wrong_client_clock_is_corrected_by_the_sending_time() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    for (user, skew_seconds) in [("fast", 120), ("slow", -120), ("a day off", -86_400)] {
        let assigned = admin.assign("e", user).await;
        let assigned_at = Timestamp::parse(assigned["assigned_at"].as_str().unwrap()).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        // By the client's clock, the event happened 5 ms before it is sent.
        let client_now = ago(-skew_seconds);
        let event = json!({"user_id": user, "type": "buy", "timestamp": client_now.plus_micros(-5_000).to_string()});
        let body = json!({"sent_at": client_now.to_string(), "events": [event]});
        let answer = admin.post("/events", &body).await.json(200)["events"][0].take();
        assert_eq!(
            answer["counts_for"][0]["experiment_id"], "e",
            "{user}: {answer}"
        );
        let counted_at = Timestamp::parse(answer["counted_at"].as_str().unwrap()).unwrap();
        let distance = counted_at.micros() - assigned_at.micros();
        assert!(
            (1..5_000_000).contains(&distance),
            "{user}: {distance} µs after the assignment"
        );
    }
}

#[tokio::test]
async fn an_event_far_in_the_future_is_refused_and_one_slightly_ahead_counts_at_its_arrival() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    let event = |seconds: i64| {
        let timestamp = ago(-seconds).to_string();
        json!({"user_id": "u", "type": "buy", "timestamp": timestamp})
    };
    let answer = admin
        .track(&[event(310), event(240), event(400_000_000)])
        .await;
    assert_eq!(answer["rejected"], 2);
    for index in [0, 2] {
        let fault = &answer["events"][index]["errors"][0];
        assert_eq!(fault["code"], "in_the_future");
        assert_eq!(fault["pointer"], format!("/events/{index}/timestamp"));
    }
    let counted_at = answer["events"][1]["counted_at"].as_str().unwrap();
    assert!(
        Timestamp::parse(counted_at).unwrap() <= ago(0),
        "not later than it was received"
    );
    assert_eq!(world.items("EventsTable").await.len(), 1);
}

#[tokio::test]
async fn events_after_the_end_do_not_count_and_late_events_from_before_it_do() {
    let world = World::start().await;
    let admin = world.admin();
    let end = ago(3600);
    let fields = json!({"starts_at": ago(86_400).to_string(), "ends_at": end.to_string()});
    admin.experiment("e", fields).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(7200).to_string()});
    admin.import("e", &[row]).await;
    let event = |at: Timestamp| json!({"user_id": "u", "type": "buy", "timestamp": at.to_string()});
    let answer = admin
        .track(&[
            event(end.plus_micros(-1)),
            event(end),
            event(end.plus_micros(1)),
        ])
        .await;
    assert_eq!(answer["events"][0]["counts_for"][0]["variant"], "green");
    for index in [1, 2] {
        assert_eq!(answer["events"][index]["reason"], "experiment_ended");
    }
    let results = admin.results("e", "").await;
    let count = &results["metrics"][1];
    assert_eq!(
        (&count["kind"], &count["variants"][1]["sum"]),
        (&json!("count"), &json!("1"))
    );
}

#[tokio::test]
async fn events_after_a_stop_do_not_count_and_late_events_from_before_it_do() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let before = ago(0).to_string();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(
        admin
            .change("e", &json!({"status": "stopped"}))
            .await
            .status,
        200
    );
    let late = json!({"user_id": "u", "type": "buy", "timestamp": before});
    let after = json!({"user_id": "u", "type": "buy", "event_id": "now"});
    let answer = admin.track(&[late, after]).await;
    assert_eq!(answer["events"][0]["counts_for"][0]["experiment_id"], "e");
    assert_eq!(answer["events"][1]["reason"], "experiment_ended");
}
