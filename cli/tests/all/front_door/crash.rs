//! A process is killed during writes: no acknowledged record is lost, and repeating all requests changes nothing.

use super::support::{Caller, ago};
use crate::soak::part_of;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const TOKEN: &str = "assay_a_token_for_a_killed_process";
/// Events of each user.
const EVENTS_PER_USER: usize = 4;
/// Rows or events in a request.
const BATCH: usize = 50;

/// Each user has one assignment and four events, so a whole soak has 10,000 writes.
const USERS: usize = 2_000;

pub(super) struct Process {
    pub(super) child: Child,
    pub(super) caller: Caller,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `assay serve` on this data and waits until it listens.
pub(super) fn serve(data: &Path) -> Process {
    let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["serve", "--port", "0", "--token", TOKEN, "--data"])
        .arg(data)
        .env("ASSAY_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line = output.next().unwrap().unwrap();
        if let Some(url) = line.strip_prefix("Assay is listening on ") {
            break url.to_owned();
        }
    };
    // Reads the rest of the output, so that the process is not blocked.
    std::thread::spawn(move || output.for_each(drop));
    Process {
        child,
        caller: Caller::of(&url, TOKEN),
    }
}

/// All requests: one for each batch of assignments or events. Some events come before the assignments of their users.
fn requests(users: usize) -> Vec<(&'static str, Value)> {
    let start = ago(86_400);
    let user = |number: usize| format!("user-{number}");
    let row = |number: usize| {
        let variant = ["control", "green"][number % 2];
        json!({"user_id": user(number), "variant": variant, "assigned_at": start.to_string()})
    };
    let event = |number: usize| {
        // From one before the assignment to some after it.
        let at = start.plus_micros(i64::try_from(number / users).unwrap() - 1);
        json!({"user_id": user(number % users), "type": "buy", "timestamp": at.to_string(), "value": number})
    };
    let numbers = |count: usize| (0..count).collect::<Vec<_>>();
    let assignments = numbers(users);
    let assignments = assignments.chunks(BATCH).map(|numbers| {
        let rows: Vec<Value> = numbers.iter().map(|number| row(*number)).collect();
        ("/experiments/e/assignments", json!({ "assignments": rows }))
    });
    let events = numbers(users * EVENTS_PER_USER);
    let mut requests: Vec<_> = events
        .chunks(BATCH)
        .map(|numbers| {
            let events: Vec<Value> = numbers.iter().map(|number| event(*number)).collect();
            ("/events", json!({ "events": events }))
        })
        .collect();
    for (index, request) in assignments.enumerate() {
        requests.insert(index * 4 + 2, request);
    }
    requests
}

/// Sends requests one after the other, up to the first without an answer. Returns the number of stored records of each.
/// The writes of one request are concurrent.
async fn send(caller: &Caller, requests: &[(&str, Value)], done: &AtomicUsize) -> Vec<u64> {
    let mut stored = Vec::new();
    for (path, body) in requests {
        let Ok(answer) = caller.try_send("POST", path, &[], body.to_string()).await else {
            break;
        };
        let answer = answer.json(200);
        assert_eq!(answer["rejected"], 0);
        stored.push(answer["stored"].as_u64().unwrap());
        done.store(stored.len(), Ordering::Relaxed);
    }
    stored
}

/// Waits until the aggregates equal the raw records, and returns the results. The killed process wrote half of the
/// records.
async fn counted(caller: &Caller) -> Value {
    let mut raw = caller.results("e", "source=raw").await;
    raw["source"] = json!("aggregates");
    for _ in 0..600 {
        let mut aggregates = caller.results("e", "").await;
        // Only aggregates have these.
        let freshness = aggregates["freshness"].as_object_mut().unwrap();
        let pending = freshness.remove("pending_records");
        freshness.remove("stored_records");
        if aggregates == raw {
            assert_eq!(pending, Some(json!(0)));
            return aggregates;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the aggregates do not equal the raw records after a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: scripts/check soak"]
async fn kill_9_during_writes_loses_no_acknowledged_record_and_a_repeat_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("assay.db");
    let users = part_of(USERS);
    let requests = requests(users);
    let mut process = serve(&data);
    let metrics = json!([{"key": "n", "kind": "count", "event_type": "buy"}, {"key": "s", "kind": "sum", "event_type": "buy"}]);
    process
        .caller
        .experiment("e", json!({ "metrics": metrics }))
        .await;

    let done = AtomicUsize::new(0);
    let acknowledged = {
        let caller = process.caller.clone();
        let sending = send(&caller, &requests, &done);
        let killing = async {
            while done.load(Ordering::Relaxed) < requests.len() / 2 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            process.child.kill().unwrap();
            process.child.wait().unwrap();
        };
        futures::join!(sending, killing).0
    };
    let acknowledged = acknowledged.len();
    assert!(
        (requests.len() / 2..requests.len()).contains(&acknowledged),
        "killed at the wrong time"
    );

    let process = serve(&data);
    let caller = &process.caller;
    let stored = send(caller, &requests, &done).await;
    // All acknowledged records are stored: when they are sent again, none of them is new.
    assert_eq!(
        stored[..acknowledged],
        vec![0; acknowledged],
        "acknowledged records are lost"
    );
    assert!(stored[acknowledged..].iter().any(|stored| *stored > 0));
    let once = counted(caller).await;
    let repeated = send(caller, &requests, &done).await;
    assert_eq!(repeated, vec![0; requests.len()]);
    assert_eq!(counted(caller).await, once);

    // Each user has four events. One is before the assignment and one at its instant; the other two count.
    let half = u64::try_from(users / 2).unwrap();
    for (index, variant) in once["metrics"][0]["variants"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        assert_eq!(
            (&variant["users"], &variant["sum"]),
            (&json!(half), &json!((half * 2).to_string()))
        );
        let numbers = (0..users * EVENTS_PER_USER).filter(|n| n % 2 == index && n / users >= 2);
        assert_eq!(
            once["metrics"][1]["variants"][index]["sum"],
            numbers.sum::<usize>().to_string()
        );
    }
}

/// Callers that send one request after the other, all at once.
const CALLERS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_concurrent_requests_loses_no_acknowledged_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("assay.db");
    let mut process = serve(&data);
    process.caller.experiment("e", json!({})).await;

    let acknowledged = AtomicUsize::new(0);
    let send_all = |number: usize| {
        let (caller, acknowledged) = (process.caller.clone(), &acknowledged);
        async move {
            let mut users = Vec::new();
            loop {
                let user = format!("user-{number}-{}", users.len());
                let assigned = format!("/experiments/e/assignment/{user}");
                let answer = caller.try_send("GET", &assigned, &[], String::new()).await;
                let Ok(answer) = answer else {
                    return users;
                };
                let variant = answer.json(200)["variant"].clone();
                let event =
                    json!({"user_id": user, "type": "buy", "event_id": "order"}).to_string();
                let answer = caller.try_send("POST", "/events", &[], event).await;
                let stored = answer.map(|answer| answer.json(200)["stored"].clone());
                acknowledged.fetch_add(1, Ordering::Relaxed);
                users.push((user, variant, stored.is_ok()));
                if stored.is_err() {
                    return users;
                }
            }
        }
    };
    let sending = futures::future::join_all((0..CALLERS).map(send_all));
    let child = &mut process.child;
    let killing = async {
        while acknowledged.load(Ordering::Relaxed) < 10 * CALLERS {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let users: Vec<_> = futures::join!(sending, killing)
        .0
        .into_iter()
        .flatten()
        .collect();
    assert!(users.len() >= 10 * CALLERS);

    let process = serve(&data);
    for (user, variant, has_event) in &users {
        let assignment = process.caller.assign("e", user).await;
        assert_eq!(assignment["reason"], "existing", "{user} is lost");
        assert_eq!(assignment["variant"], *variant);
        if *has_event {
            let event = json!({"user_id": user, "type": "buy", "event_id": "order"});
            let repeated = process.caller.track(&[event]).await;
            assert_eq!(repeated["stored"], 0, "the event of {user} is lost");
        }
    }
    counted(&process.caller).await;
}
