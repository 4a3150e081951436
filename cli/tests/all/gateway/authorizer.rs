//! The TOKEN authorizer: when it is called, with what event, and how long its policy is cached.

use super::support::{Setup, TOKEN, allow, authorizer, counted, echo, policy};
use assay::gateway::FunctionError;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn status(api: &super::support::Api, path: &str, token: &str) -> u16 {
    let request = api.get(path).header("authorization", token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_missing_or_malformed_token_is_refused_without_calling_the_authorizer() {
    let (function, calls) = counted(authorizer(|_| Ok(allow(&["*"]))));
    let api = Setup::new().with("authorizer", function).start().await;
    let response = api.get("/notes").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-amzn-requestid"]
        .to_str()
        .unwrap()
        .to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body,
        json!({ "status": 401, "code": "unauthorized", "request_id": id })
    );
    for malformed in [
        "",
        "Bearer ",
        "bearer abcdef",
        "Bearer abc def",
        "xBearer abcdef",
        "Bearer abcdef\t!",
    ] {
        assert_eq!(
            status(&api, "/notes", malformed).await,
            401,
            "{malformed:?}"
        );
    }
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn an_unauthorized_error_of_the_authorizer_is_a_401_and_is_not_cached() {
    let (function, calls) = counted(authorizer(|_| {
        Err(FunctionError::new("Any", "Unauthorized"))
    }));
    let api = Setup::new().with("authorizer", function).start().await;
    assert_eq!(status(&api, "/notes", TOKEN).await, 401);
    assert_eq!(status(&api, "/notes", TOKEN).await, 401);
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn the_authorizer_receives_the_token_and_the_method() {
    let seen = Arc::new(Mutex::new(Value::Null));
    let record = seen.clone();
    let recording = authorizer(move |event| {
        *record.lock().unwrap() = event.clone();
        Ok(allow(&["*"]))
    });
    let api = Setup::new().with("authorizer", recording).start().await;
    assert_eq!(status(&api, "/notes/a%2Fb?q=1", TOKEN).await, 200);
    let expected = json!({
        "type": "TOKEN",
        "authorizationToken": TOKEN,
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:localassay/dev/GET/notes/a%2Fb",
    });
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_open_route_does_not_call_the_authorizer() {
    let (function, calls) = counted(authorizer(|_| Ok(allow(&["*"]))));
    let api = Setup::new().with("authorizer", function).start().await;
    assert_eq!(status(&api, "/open", TOKEN).await, 200);
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn a_policy_is_cached_per_token_and_applies_to_every_method() {
    let only_list = allow(&["arn:aws:execute-api:*:*:*/dev/GET/notes"]);
    let (function, calls) = counted(authorizer(move |_| Ok(only_list.clone())));
    let api = Setup::new().with("authorizer", function).start().await;
    assert_eq!(status(&api, "/notes", TOKEN).await, 200);
    assert_eq!(status(&api, "/notes", TOKEN).await, 200);
    assert_eq!(
        status(&api, "/notes/1", TOKEN).await,
        403,
        "the cached policy applies here too"
    );
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(status(&api, "/notes", "Bearer another").await, 200);
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn a_cached_policy_for_one_method_refuses_other_methods() {
    let bound = authorizer(|event| Ok(allow(&[event["methodArn"].as_str().unwrap()])));
    let api = Setup::new().with("authorizer", bound).start().await;
    assert_eq!(status(&api, "/notes/1", TOKEN).await, 200);
    assert_eq!(status(&api, "/notes/2", TOKEN).await, 403);
}

#[tokio::test]
async fn an_expired_policy_is_requested_again() {
    let (function, calls) = counted(authorizer(|_| Ok(allow(&["*"]))));
    let setup = Setup::new()
        .with("authorizer", function)
        .parameter("AuthorizerTtlSeconds", "1");
    let api = setup.start().await;
    assert_eq!(status(&api, "/notes", TOKEN).await, 200);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(status(&api, "/notes", TOKEN).await, 200);
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn with_a_cache_time_of_zero_every_request_calls_the_authorizer() {
    let (function, calls) = counted(authorizer(|_| Ok(allow(&["*"]))));
    let setup = Setup::new()
        .with("authorizer", function)
        .parameter("AuthorizerTtlSeconds", "0");
    let api = setup.start().await;
    for _ in 0..3 {
        assert_eq!(status(&api, "/notes", TOKEN).await, 200);
    }
    assert_eq!(calls.load(SeqCst), 3);
}

#[tokio::test]
async fn a_method_that_the_policy_does_not_allow_is_a_403() {
    let (notes, calls) = counted(echo());
    let deny = json!([
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": ["execute-api:Invoke"], "Resource": ["*/GET/notes/*"] },
    ]);
    for answer in [policy(deny), allow(&["*/POST/*"]), policy(json!([]))] {
        let authorizer = authorizer(move |_| Ok(answer.clone()));
        let setup = Setup::new()
            .with("authorizer", authorizer)
            .with("notes", notes.clone());
        let api = setup.start().await;
        let response = api
            .get("/notes/1")
            .header("authorization", TOKEN)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "AccessDeniedException"
        );
    }
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn a_malformed_policy_is_a_configuration_error() {
    let statement = |s: Value| policy(json!([s]));
    let mut nested = allow(&["*"]);
    nested["context"] = json!({ "list": ["a"] });
    for answer in [
        json!(null),
        json!({}),
        json!({ "policyDocument": { "Statement": [] } }),
        json!({ "principalId": "p" }),
        statement(json!({ "Effect": "Maybe", "Action": "*", "Resource": "*" })),
        statement(json!({ "Effect": "Allow", "Resource": "*" })),
        statement(json!({ "Effect": "Allow", "Action": "*" })),
        statement(json!({ "Effect": "Allow", "Action": [], "Resource": "*" })),
        statement(json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {} })),
        nested,
    ] {
        let broken = authorizer(move |_| Ok(answer.clone()));
        let api = Setup::new().with("authorizer", broken).start().await;
        assert_eq!(status(&api, "/notes", TOKEN).await, 500);
    }
}

#[tokio::test]
async fn a_path_whose_arn_is_too_long_for_a_policy_is_refused() {
    let api = Setup::new().start().await;
    let long = format!("/notes/{}", "a".repeat(1600));
    assert_eq!(status(&api, &long, TOKEN).await, 414);
    let open = format!("/open/{}/of/u", "a".repeat(1600));
    assert_eq!(
        status(&api, &open, TOKEN).await,
        200,
        "no policy is applied here"
    );
}
