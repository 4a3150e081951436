//! What the client does when the API does not keep up.

use super::support::World;
use assay::gateway::{Function, http_function};
use assay::serve::PlatformOptions;
use lambda_http::{Body, Request, Response, service_fn};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Refuses with 429 and 503 in turn for a while, then takes everything.
fn overloaded(refusals: u32, calls: Arc<AtomicU32>) -> Function {
    http_function(service_fn(move |_: Request| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            let (status, body) = if call < refusals {
                let status = if call.is_multiple_of(2) { 429 } else { 503 };
                let body = json!({"code": "busy", "detail": "Try again."});
                (status, body)
            } else {
                let event = json!({"index": 0, "status": "stored", "counts_for": [], "reason": "no_assignment"});
                (200, json!({"events": [event]}))
            };
            let response = Response::builder()
                .status(status)
                .body(Body::from(body.to_string()));
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    }))
}

const IMPORT: [&str; 8] = [
    "import",
    "events.csv",
    "--json",
    "--user",
    "user",
    "--event",
    "click",
    "--event-at=2026-01-01",
];

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let calls = Arc::new(AtomicU32::new(0));
    let function = overloaded(2, calls.clone());
    let world =
        World::with(PlatformOptions::for_tests().with_function("record-events", function)).await;
    world.file("events.csv", "user\n1\n");
    let aggregates = world.done_json(&IMPORT).await;
    assert_eq!(aggregates["events"]["stored"], 1);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = super::support::assay(folder.path());
    command.args([
        "results",
        "x",
        "--url",
        "http://127.0.0.1:9",
        "--token",
        "token_0123456789_0123",
    ]);
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot reach http://127.0.0.1:9"), "{said}");
    assert!(!said.contains("token_0123"), "{said}");
}
