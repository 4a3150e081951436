//! The process is killed in the middle of its work: nothing that was acknowledged is lost, and doing everything
//! again changes nothing.

use super::support::{Caller, ago};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const TOKEN: &str = "assay_a_token_for_a_process_that_dies";
/// Events of each user, and how many rows or events go into a request.
const EVENTS_PER_USER: usize = 4;
const BATCH: usize = 50;

/// Each is five writes: ten thousand in all.
const USERS: usize = 2_000;

struct Process {
    child: Child,
    caller: Caller,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `assay serve` on this data, once it listens.
fn serve(data: &Path) -> Process {
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
    // What else it says is of no interest, but must not block it.
    std::thread::spawn(move || output.for_each(drop));
    Process {
        child,
        caller: Caller::of(&url, TOKEN),
    }
}

/// The whole run: a request for each batch of assignments and of events, in an order in which some events come
/// before their users.
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
    for (place, request) in assignments.enumerate() {
        requests.insert(place * 4 + 2, request);
    }
    requests
}

/// Sends requests one after the other (the writes of one are made at once), and gives back what was stored of
/// each, up to the first without an answer.
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

/// The results once everything has been counted: the running sums say what the records say, of which half were written
/// by a process that was killed.
async fn counted(caller: &Caller) -> Value {
    let mut raw = caller.results("e", "source=raw").await;
    raw["source"] = json!("aggregates");
    for _ in 0..600 {
        let mut sums = caller.results("e", "").await;
        let pending = sums["freshness"]
            .as_object_mut()
            .unwrap()
            .remove("pending_records");
        if sums == raw {
            assert_eq!(pending, Some(json!(0)));
            return sums;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the sums never came to say what the records say");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_amid_writes_loses_nothing_acknowledged_and_a_repeat_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("assay.db");
    let users = USERS;
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
    // What was acknowledged is there: sent again, nothing of it is new.
    assert_eq!(
        stored[..acknowledged],
        vec![0; acknowledged],
        "acknowledged, and lost"
    );
    assert!(stored[acknowledged..].iter().any(|stored| *stored > 0));
    let once = counted(caller).await;
    let repeated = send(caller, &requests, &done).await;
    assert_eq!(repeated, vec![0; requests.len()]);
    assert_eq!(counted(caller).await, once);

    // And it is right: of the four events of a user one is before and one at the assignment.
    let half = u64::try_from(users / 2).unwrap();
    for (place, variant) in once["metrics"][0]["variants"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        assert_eq!(
            (&variant["users"], &variant["sum"]),
            (&json!(half), &json!((half * 2).to_string()))
        );
        let numbers = (0..users * EVENTS_PER_USER).filter(|n| n % 2 == place && n / users >= 2);
        assert_eq!(
            once["metrics"][1]["variants"][place]["sum"],
            numbers.sum::<usize>().to_string()
        );
    }
}
