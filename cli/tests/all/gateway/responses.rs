//! Responses of functions, and how the gateway converts them.

use super::support::{Setup, answers};
use serde_json::{Value, json};

#[tokio::test]
async fn single_and_multi_value_headers_reach_the_caller() {
    let answer = json!({
        "statusCode": 202,
        "headers": { "X-One": "1", "X-Number": 7, "X-Flag": true, "x-both": "short" },
        "multiValueHeaders": { "Set-Cookie": ["a=1", "b=2"], "X-Both": ["long", "longer"] },
        "body": "ok",
    });
    let api = Setup::new().with("open", answers(answer)).start().await;
    let response = api.get("/open").send().await.unwrap();
    assert_eq!(response.status(), 202);
    let headers = response.headers();
    assert_eq!(headers["x-one"], "1");
    assert_eq!(headers["x-number"], "7");
    assert_eq!(headers["x-flag"], "true");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    let both: Vec<_> = headers.get_all("x-both").iter().collect();
    assert_eq!(both, ["long", "longer"]);
    assert_eq!(
        headers["content-type"], "application/json",
        "the type of an answer without one"
    );
    assert_eq!(response.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn reserved_headers_are_renamed() {
    let headers = json!({ "WWW-Authenticate": "Basic", "Date": "then", "Server": "me", "Content-Length": "999" });
    let answer = json!({ "statusCode": 401, "headers": headers, "body": "no" });
    let api = Setup::new().with("open", answers(answer)).start().await;
    let response = api.get("/open").send().await.unwrap();
    assert!(response.headers().get("www-authenticate").is_none());
    assert_eq!(
        response.headers()["x-amzn-remapped-www-authenticate"],
        "Basic"
    );
    assert_eq!(response.headers()["x-amzn-remapped-server"], "me");
    assert_ne!(response.headers()["date"], "then");
    assert_eq!(response.text().await.unwrap(), "no");
}

#[tokio::test]
async fn a_response_needs_only_a_status() {
    for status in [json!(204), json!("204")] {
        let api = Setup::new()
            .with("open", answers(json!({ "statusCode": status })))
            .start()
            .await;
        let response = api.get("/open").send().await.unwrap();
        assert_eq!(response.status(), 204);
    }
}

#[tokio::test]
async fn an_invalid_proxy_response_is_a_502() {
    let malformed: &[Value] = &[
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({ "body": "no status" }),
        json!({ "statusCode": 200.5 }),
        json!({ "statusCode": "ok" }),
        json!({ "statusCode": 99 }),
        json!({ "statusCode": 600 }),
        json!({ "statusCode": 200, "body": { "not": "a text" } }),
        json!({ "statusCode": 200, "headers": ["x"] }),
        json!({ "statusCode": 200, "headers": { "x": ["list"] } }),
        json!({ "statusCode": 200, "headers": { "bad name": "x" } }),
        json!({ "statusCode": 200, "headers": { "x": "new\nline" } }),
        json!({ "statusCode": 200, "multiValueHeaders": { "x": "text" } }),
        json!({ "statusCode": 200, "isBase64Encoded": "yes" }),
        json!({ "statusCode": 200, "cookies": [] }),
    ];
    for answer in malformed {
        let api = Setup::new()
            .with("open", answers(answer.clone()))
            .start()
            .await;
        let response = api.get("/open").send().await.unwrap();
        assert_eq!(response.status(), 502, "{answer}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            body,
            json!({ "code": "internal_error", "message": "Internal server error" })
        );
    }
}
