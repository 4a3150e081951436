//! Request and response bodies: text, binary, empty and too large.

use super::support::{Setup, answers};
use serde_json::json;
use std::io::Write;

#[tokio::test]
async fn a_utf8_body_arrives_as_text_with_any_content_type() {
    let api = Setup::new().start().await;
    for kind in ["application/json", "text/plain", "application/octet-stream"] {
        let request = api
            .request("POST", "/open")
            .header("content-type", kind)
            .body("{\"ä\": 1}");
        let event = api.event(request).await;
        assert_eq!(event["body"], "{\"ä\": 1}");
        assert_eq!(event["isBase64Encoded"], false);
    }
}

#[tokio::test]
async fn a_missing_body_is_null() {
    let api = Setup::new().start().await;
    let event = api.event(api.request("POST", "/open")).await;
    assert!(event["body"].is_null());
}

#[tokio::test]
async fn a_body_that_is_not_utf8_arrives_as_base64() {
    let api = Setup::new().start().await;
    let event = api
        .event(api.request("POST", "/open").body(vec![0xff, 0x00, 0xfe]))
        .await;
    assert_eq!(event["body"], "/wD+");
    assert_eq!(event["isBase64Encoded"], true);
}

#[tokio::test]
async fn a_binary_media_type_is_base64_in_both_directions() {
    let setup = Setup::new().parameter("BinaryType", "image~1*");
    let api = setup.start().await;
    let request = api
        .request("POST", "/open")
        .header("content-type", "image/png; q=1")
        .body("PNG");
    let event = api.event(request).await;
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&json!("UE5H"), &json!(true))
    );

    let image = json!({ "statusCode": 200, "body": "UE5H", "isBase64Encoded": true });
    let api = Setup::new()
        .parameter("BinaryType", "image~1*")
        .with("open", answers(image))
        .start()
        .await;
    let decoded = api
        .get("/open")
        .header("accept", "image/webp,*/*")
        .send()
        .await
        .unwrap();
    assert_eq!(decoded.text().await.unwrap(), "PNG");
    let undecoded = api
        .get("/open")
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(undecoded.text().await.unwrap(), "UE5H");
}

#[tokio::test]
async fn without_a_binary_media_type_a_base64_body_is_not_decoded() {
    let response = json!({ "statusCode": 200, "body": "UE5H", "isBase64Encoded": true });
    let api = Setup::new().with("open", answers(response)).start().await;
    let response = api
        .get("/open")
        .header("accept", "image/png")
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "UE5H");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_completely() {
    let api = Setup::new().start().await;
    let request = "POST /open HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = api.raw(request).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let event: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(event["body"], "abcde");
    assert!(event["headers"].get("transfer-encoding").is_none());
}

#[tokio::test]
async fn a_body_above_the_limit_of_the_gateway_or_lambda_is_a_413() {
    let api = Setup::new().start().await;
    // Lambda's limit is 6 MB for the whole event; the gateway's limit is 10 MB for the body.
    for bytes in [6 * 1024 * 1024, 11 * 1024 * 1024] {
        let response = api
            .request("POST", "/open")
            .body("a".repeat(bytes))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 413, "{bytes}");
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body, json!({ "message": "Request Too Long" }));
    }
    let nearly = api
        .request("POST", "/open")
        .body("a".repeat(5 * 1024 * 1024));
    assert_eq!(nearly.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_gzip_body_arrives_decompressed_with_its_header() {
    let api = Setup::new().start().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"{\"a\": 1}").unwrap();
    let request = api
        .request("POST", "/open")
        .header("content-encoding", "gzip")
        .body(encoder.finish().unwrap());
    let event = api.event(request).await;
    assert_eq!(event["body"], "{\"a\": 1}");
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["headers"]["content-encoding"], "gzip");
}

#[tokio::test]
async fn a_body_that_is_not_gzip_as_its_header_says_is_refused() {
    let api = Setup::new().start().await;
    let request = api
        .request("POST", "/open")
        .header("content-encoding", "gzip")
        .body("{}");
    assert_eq!(request.send().await.unwrap().status(), 400);
    let other = api
        .request("POST", "/open")
        .header("content-encoding", "br")
        .body("{}");
    assert_eq!(api.event(other).await["body"], "{}");
}
