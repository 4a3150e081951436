//! What a token may do: how many events it may send, what it learns about users, and until when it is valid.

use super::support::{World, ago, grant};
use domain::access::{Grant, Scope};
use domain::limits::MAX_EVENTS_PER_REQUEST;
use serde_json::{Value, json};
use std::time::Duration;

fn batch(number: usize, events: usize) -> Value {
    let event = |index: usize| json!({"user_id": "u", "type": "view", "event_id": format!("{number}-{index}")});
    json!({ "events": (0..events).map(event).collect::<Vec<_>>() })
}

async fn with_budget(world: &World, events_per_second: Option<u32>) -> super::support::Caller {
    let token = world
        .granted(Grant {
            events_per_second,
            ..grant("limited", &[Scope::Track])
        })
        .await;
    world.bearer(&token)
}

#[tokio::test]
async fn a_token_beyond_its_budget_gets_429_and_the_repeat_after_the_stated_time_is_accepted() {
    let world = World::start().await;
    let caller = with_budget(&world, Some(2)).await;
    // 20 events in ten seconds. A new window may begin once or twice while the test runs.
    let mut accepted = 0;
    let refused = loop {
        let answer = caller.post("/events", &batch(accepted, 10)).await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.json(200)["stored"], 10);
        accepted += 1;
        assert!(accepted < 10, "the budget is never used up");
    };
    assert!(accepted >= 2, "{accepted}");
    assert_eq!(refused.code(429), "event_budget_exceeded");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    let stored = world.items("EventsTable").await.len();
    assert_eq!(stored, accepted * 10);
    // Another token has a budget of its own.
    let other = world.admin().post("/events", &batch(100, 10)).await;
    assert_eq!(other.json(200)["stored"], 10);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let repeated = caller.post("/events", &batch(accepted, 10)).await;
    assert_eq!(repeated.json(200)["stored"], 10);
}

#[tokio::test]
async fn a_batch_larger_than_the_budget_is_accepted_once_in_each_window() {
    let world = World::start().await;
    let caller = with_budget(&world, Some(1)).await;
    let largest = batch(0, MAX_EVENTS_PER_REQUEST);
    let first = caller.post("/events", &largest).await.json(200);
    assert_eq!(first["stored"], MAX_EVENTS_PER_REQUEST);
    // A new window may begin between two requests. It accepts one batch of 20, although its budget is 10.
    let mut statuses = Vec::new();
    for number in 1..5 {
        let answer = caller.post("/events", &batch(number, 20)).await;
        statuses.push(answer.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn single_events_below_the_budget_do_not_cost_a_write_each() {
    let world = World::start().await;
    let caller = with_budget(&world, None).await;
    for number in 0..30 {
        caller.post("/events", &batch(number, 1)).await.json(200);
    }
    let taken = |item: &super::support::Item| {
        let key = item["token_sha256"].as_s().unwrap();
        let taken = item.get("taken").map(|taken| taken.as_n().unwrap());
        key.starts_with("budget#limited#")
            .then(|| taken.unwrap().parse::<u64>().unwrap())
    };
    let taken: Vec<u64> = world
        .items("TokensTable")
        .await
        .iter()
        .filter_map(taken)
        .collect();
    // The budget of ten seconds is 50,000 events, and a thousandth of it is taken at once.
    assert!(!taken.is_empty());
    assert!(taken.iter().all(|events| *events == 50), "{taken:?}");
}

#[tokio::test]
async fn a_token_that_hides_assignments_learns_the_same_about_every_user() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "assigned").await;
    admin
        .send("DELETE", "/users/erased", &[], "")
        .await
        .json(200);
    let token = world
        .granted(Grant {
            hides_assignments: true,
            ..grant("app", &[Scope::Track])
        })
        .await;
    let caller = world.bearer(&token);
    let event = |user: &str| json!({"user_id": user, "type": "buy", "event_id": "1"});
    let bad = json!({"user_id": "assigned", "event_id": "2"});
    for _ in 0..2 {
        let events = [
            event("assigned"),
            event("unknown"),
            event("erased"),
            bad.clone(),
        ];
        let answer = caller.track(&events).await;
        let accepted = |index: usize| json!({"index": index, "status": "accepted"});
        let outcomes = answer["events"].as_array().unwrap();
        for (index, outcome) in outcomes.iter().enumerate().take(3) {
            assert_eq!(*outcome, accepted(index));
        }
        assert_eq!(outcomes[3]["errors"][0]["code"], "required");
        let counts = ["received", "accepted", "rejected"].map(|name| &answer[name]);
        assert_eq!(counts, [&json!(4), &json!(3), &json!(1)]);
        assert_eq!(answer.as_object().unwrap().len(), 4, "{answer}");
    }
    let alone = caller.post("/events", &event("erased")).await.json(200);
    assert_eq!(alone["events"], json!([{"index": 0, "status": "accepted"}]));
    // The event of the assigned user counts.
    let again = admin.track(&[event("assigned")]).await;
    assert_eq!(again["events"][0]["status"], "duplicate");
    assert_eq!(again["events"][0]["counts_for"][0]["experiment_id"], "e");
}

#[tokio::test]
async fn a_token_expires_at_its_time_although_its_policy_is_cached() {
    let world = World::start().await;
    let scopes = [Scope::Read, Scope::Track];
    let token = world.new_token("short", &scopes, Some(ago(-3))).await;
    let caller = world.bearer(&token);
    caller.get("/experiments").await.json(200);
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let refused = caller.get("/experiments").await;
    assert_eq!(refused.code(401), "unauthorized");
    assert_eq!(
        caller.post("/events", &batch(0, 1)).await.code(401),
        "unauthorized"
    );
    assert_eq!(world.items("EventsTable").await.len(), 0);
}
