//! How much memory the largest accepted user takes: while the user is counted, counted again by a backfill, and erased.

use super::crash::{Process, serve};
use serde_json::{Value, json};
use std::time::Duration;

/// Half of the least memory that the template gives a function that refreshes users.
const MOST_MEGABYTES: u64 = 128;
/// Hours with events of two types: together as many as a user may have.
const HOURS: usize = 2_000;
/// Events of each type and hour, the first two of five. Together 10,000 events.
const EVENTS: usize = 10_000;

/// The most memory that the process has had, in megabytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1_024
}

async fn converted(process: &Process) -> Option<u64> {
    let path = "/experiments/e/results?source=aggregates&series=none";
    let answer = process.caller.get(path).await;
    let report: Value = serde_json::from_str(&answer.text).unwrap();
    let variants = report["metrics"][0]["variants"].as_array()?;
    variants.iter().map(|one| one["converted"].as_u64()).sum()
}

async fn wait_for(process: &Process, users: u64) {
    for _ in 0..600 {
        if converted(process).await == Some(users) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not {users} converted users after two minutes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: scripts/check soak"]
async fn the_largest_accepted_user_takes_less_than_half_of_the_memory_of_a_function() {
    let folder = tempfile::tempdir().unwrap();
    let process = serve(&folder.path().join("data"));
    let caller = &process.caller;
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    caller.experiment("e", json!({ "metrics": metrics })).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": "2025-01-02T00:00:00Z"});
    caller.import("e", &[row]).await;
    let start = domain::time::Timestamp::parse("2025-01-03T00:00:00Z").unwrap();
    let event = |number: usize| {
        let hour = i64::try_from(number % HOURS).unwrap();
        let event_type = ["buy", "view"][number / HOURS % 2];
        json!({
            "user_id": "u", "type": event_type, "event_id": number.to_string(), "value": number,
            "timestamp": start.plus_micros(hour * 3_600_000_000).to_string(),
            "properties": {"text": "x".repeat(500)},
        })
    };
    let events: Vec<Value> = (0..EVENTS).map(event).collect();
    let before = peak(&process);
    for events in events.chunks(500) {
        caller.track(events).await;
    }
    wait_for(&process, 1).await;
    let counted = peak(&process);
    let more = json!([
        {"key": "buyers", "kind": "conversion", "event_type": "buy"},
        {"key": "views", "kind": "count", "event_type": "view"},
    ]);
    caller
        .change("e", &json!({ "metrics": more }))
        .await
        .json(200);
    wait_for(&process, 1).await;
    let backfilled = peak(&process);
    // A call has 25 seconds, and the next one continues where it stopped.
    let mut calls = 1;
    while caller.send("DELETE", "/users/u", &[], "").await.status != 200 {
        assert!(calls < 20, "the user is not erased after {calls} calls");
        calls += 1;
    }
    wait_for(&process, 0).await;
    let erased = peak(&process);
    let grown = erased - before;
    assert!(
        grown < MOST_MEGABYTES,
        "{grown} MB more: {before} MB at first, {counted} counted, {backfilled} backfilled, {erased} erased"
    );
}
