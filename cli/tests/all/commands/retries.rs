//! Retries of the client when the API is overloaded.

use super::support::World;
use assay::gateway::{Function, http_function};
use assay::serve::PlatformOptions;
use lambda_http::{Body, Request, Response, service_fn};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Refuses this many calls, alternately with 429 and 503, and accepts all later ones.
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
async fn temporary_refusals_are_retried() {
    let calls = Arc::new(AtomicU32::new(0));
    let function = overloaded(2, calls.clone());
    let world =
        World::with(PlatformOptions::for_tests().with_function("record-events", function)).await;
    world.file("events.csv", "user\n1\n");
    let counts = world.done_json(&IMPORT).await;
    assert_eq!(counts["events"]["stored"], 1);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
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
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.contains("cannot reach http://127.0.0.1:9"),
        "{printed}"
    );
    assert!(!printed.contains("token_0123"), "{printed}");
}
