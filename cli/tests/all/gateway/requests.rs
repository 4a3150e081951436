//! The members of the event, except its path and body.

use super::support::{Setup, TOKEN, allow, authorizer};
use assay::gateway::http_function;
use lambda_http::{Body, Request, RequestExt, Response, service_fn};
use serde_json::json;

#[tokio::test]
async fn query_parameters_are_decoded_and_the_single_value_is_the_last_one() {
    let api = Setup::new().start().await;
    let event = api
        .raw_event("/open?a=1&a=2&b=x%2Fy+z&flag&%F0%9F%98%80=%26")
        .await;
    let single = json!({ "a": "2", "b": "x/y z", "flag": "", "😀": "&" });
    let multi = json!({ "a": ["1", "2"], "b": ["x/y z"], "flag": [""], "😀": ["&"] });
    assert_eq!(event["queryStringParameters"], single);
    assert_eq!(event["multiValueQueryStringParameters"], multi);
}

#[tokio::test]
async fn without_a_query_both_members_are_null() {
    let api = Setup::new().start().await;
    for path in ["/open", "/open?"] {
        let event = api.raw_event(path).await;
        assert!(event["queryStringParameters"].is_null());
        assert!(event["multiValueQueryStringParameters"].is_null());
    }
}

#[tokio::test]
async fn all_values_of_a_header_arrive_and_the_single_value_is_the_last_one() {
    let api = Setup::new().start().await;
    let request = api
        .get("/open")
        .header("x-many", "one")
        .header("x-many", "two");
    let event = api.event(request).await;
    assert_eq!(event["headers"]["x-many"], "two");
    assert_eq!(event["multiValueHeaders"]["x-many"], json!(["one", "two"]));
}

#[tokio::test]
async fn the_gateway_sets_the_forwarding_headers() {
    let api = Setup::new().start().await;
    let request = api
        .get("/open")
        .header("x-forwarded-proto", "gopher")
        .header("x-forwarded-for", "192.0.2.1");
    let event = api.event(request.header("user-agent", "test")).await;
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
    assert_eq!(event["headers"]["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
    assert_eq!(
        event["headers"]["x-forwarded-port"],
        api.address.port().to_string()
    );
    let identity = &event["requestContext"]["identity"];
    assert_eq!(identity["sourceIp"], "127.0.0.1");
    assert_eq!(identity["userAgent"], "test");
}

#[tokio::test]
async fn the_request_context_contains_the_stage_the_resource_and_the_time() {
    let api = Setup::new().start().await;
    let response = api.get("/open/i/of/u").send().await.unwrap();
    let id = response.headers()["x-amzn-requestid"].clone();
    let event: serde_json::Value = response.json().await.unwrap();
    let context = &event["requestContext"];
    assert_eq!(context["requestId"], id.to_str().unwrap());
    assert_eq!(context["stage"], "dev");
    assert_eq!(context["httpMethod"], "GET");
    assert_eq!(context["protocol"], "HTTP/1.1");
    assert_eq!(context["resourcePath"], "/open/{id}/of/{user_id}");
    assert_eq!(context["accountId"], "123456789012");
    assert_eq!(context["resourceId"].as_str().unwrap().len(), 6);
    assert!(context["requestTimeEpoch"].as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!(
        context["requestTime"].as_str().unwrap().len(),
        "23/Nov/2026:10:47:05 +0000".len()
    );
    assert!(context.get("authorizer").is_none());
    assert!(event["stageVariables"].is_null());
}

#[tokio::test]
async fn the_context_of_the_authorizer_arrives_as_strings() {
    let mut answer = allow(&["*"]);
    answer["context"] = json!({ "scopes": "read track", "age": 7, "admin": true });
    let setup = Setup::new().with("authorizer", authorizer(move |_| Ok(answer.clone())));
    let api = setup.start().await;
    let event = api
        .event(api.get("/notes").header("authorization", TOKEN))
        .await;
    let caller = &event["requestContext"]["authorizer"];
    assert_eq!(caller["principalId"], "tok_1");
    assert_eq!(caller["scopes"], "read track");
    assert_eq!(caller["age"], "7");
    assert_eq!(caller["admin"], "true");
    assert!(caller["integrationLatency"].is_u64());
}

#[tokio::test]
async fn an_http_handler_receives_the_same_request_as_in_lambda() {
    let handler = http_function(service_fn(|request: Request| async move {
        let seen = json!({
            "path": request.raw_http_path(),
            "id": request.path_parameters().first("id"),
            "q": request.query_string_parameters().all("q"),
            "body": std::str::from_utf8(request.body()).unwrap(),
            "function": request.lambda_context().env_config.function_name,
            "deadline_set": request.lambda_context().deadline > 0,
        });
        let response = Response::builder()
            .status(201)
            .header("content-type", "application/json");
        let response = response.header("x-two", "a").header("x-two", "b");
        Ok::<_, std::convert::Infallible>(response.body(Body::from(seen.to_string())).unwrap())
    }));
    let api = Setup::new().with("open", handler).start().await;
    let response = api.get("/open/a%2Fb/of/u?q=1&q=2").send().await.unwrap();
    assert_eq!(response.status(), 201);
    let values: Vec<_> = response.headers().get_all("x-two").iter().collect();
    assert_eq!(values, ["a", "b"]);
    let seen: serde_json::Value = response.json().await.unwrap();
    let expected = json!({
        "path": "/open/a%2Fb/of/u", "id": "a%2Fb", "q": ["1", "2"], "body": "",
        "function": "open", "deadline_set": true,
    });
    assert_eq!(seen, expected);
}
