//! Functions that fail, panic, time out or are missing.

use super::support::{Setup, TOKEN, authorizer, echo, function, sleeps};
use assay::gateway::FunctionError;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_function_error_is_a_502_without_its_details() {
    let failing = function(|_| Err(FunctionError::new("Oops", "secret detail")));
    let api = Setup::new().with("open", failing).start().await;
    let response = api.get("/open").send().await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(
        response.headers()["x-amzn-errortype"],
        "InternalServerErrorException"
    );
    assert!(!response.text().await.unwrap().contains("secret"));
}

#[tokio::test]
async fn a_panic_is_a_502_and_the_next_request_succeeds() {
    let panics_once = Arc::new(AtomicBool::new(true));
    let panicking = function(move |_| {
        assert!(
            !panics_once.swap(false, Ordering::SeqCst),
            "as the test wants it"
        );
        Ok(json!({ "statusCode": 200 }))
    });
    let api = Setup::new().with("open", panicking).start().await;
    assert_eq!(api.get("/open").send().await.unwrap().status(), 502);
    assert_eq!(api.get("/open").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_function_that_exceeds_its_timeout_is_a_502() {
    let api = Setup::new()
        .with("open", sleeps(Duration::from_secs(60)))
        .start()
        .await;
    assert_eq!(api.get("/open").send().await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_function_that_exceeds_the_integration_timeout_is_a_504() {
    let setup = Setup::new().with("open", sleeps(Duration::from_secs(1)));
    let api = setup
        .integration_timeout(Duration::from_millis(50))
        .start()
        .await;
    let response = api.get("/open").send().await.unwrap();
    assert_eq!(response.status(), 504);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["message"], "Endpoint request timed out");
}

#[tokio::test]
async fn a_response_above_lambdas_limit_is_a_502() {
    let large = function(|_| Ok(json!({ "statusCode": 200, "body": "a".repeat(6 * 1024 * 1024) })));
    let api = Setup::new().with("open", large).start().await;
    assert_eq!(api.get("/open").send().await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_route_without_its_function_is_a_configuration_error() {
    let api = Setup::new().start().await;
    assert_eq!(api.get("/unwired").send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn a_function_continues_after_its_caller_disconnects() {
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let slow = assay::gateway::Function::new(move |_, _| {
        let done = done.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            done.store(true, Ordering::SeqCst);
            Ok(json!({ "statusCode": 200 }))
        })
    });
    let api = Setup::new().with("open", slow).start().await;
    let left = api
        .get("/open")
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(left.unwrap_err().is_timeout());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(seen.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_authorizer_that_fails_or_times_out_is_a_500_and_the_function_is_not_called() {
    let crashing = authorizer(|_| panic!("as the test wants it"));
    let failing = authorizer(|_| Err(FunctionError::new("Error", "unauthorized")));
    for broken in [crashing, failing, sleeps(Duration::from_secs(60))] {
        let api = Setup::new()
            .with("authorizer", broken)
            .with("notes", echo())
            .start()
            .await;
        let request = api.get("/notes").header("authorization", TOKEN);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "AuthorizerConfigurationException"
        );
    }
}
