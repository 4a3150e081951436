//! A function that is called without JSON gets the same request, and its caller the same response, as with JSON.

use super::support::{Api, Setup};
use assay::gateway::{Function, http_function};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response, service_fn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Answers with everything that a handler can see of its request, or with a response that the request asks for.
fn handler() -> Function {
    http_function(service_fn(|request: Request| async move {
        let seen = seen(&request);
        Ok::<_, Infallible>(respond(&request, seen.to_string()))
    }))
}

/// The same function, called with JSON.
fn through_json(function: &Function) -> Function {
    let function = function.clone();
    Function::new(move |event, context| function.call(event, context))
}

fn seen(request: &Request) -> Value {
    let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in request.headers() {
        let values = headers.entry(name.to_string()).or_default();
        values.push(value.as_bytes().to_vec());
    }
    let context = match request.request_context() {
        RequestContext::ApiGatewayV1(mut context) => {
            // These are others in each request.
            assert!(context.request_id.take().is_some_and(|id| id.len() == 36));
            assert!(
                context
                    .request_time
                    .take()
                    .is_some_and(|time| time.ends_with("+0000"))
            );
            assert!(std::mem::take(&mut context.request_time_epoch) > 1_700_000_000_000);
            context.authorizer.fields.remove("integrationLatency");
            format!("{context:?}")
        }
        _ => "another kind".to_owned(),
    };
    json!({
        "method": request.method().as_str(),
        "headers": headers,
        "path": request.raw_http_path(),
        "query": by_name(request.query_string_parameters().iter()),
        "parameters": by_name(request.path_parameters().iter()),
        "stage": by_name(request.stage_variables().iter()),
        "context": context,
        "body": format!("{:?}", request.body()),
        "function": request.lambda_context().env_config.function_name,
        "trace": request.lambda_context().xray_trace_id,
    })
}

fn by_name<'m>(members: impl Iterator<Item = (&'m str, &'m str)>) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in members {
        let values = values.entry(name.to_owned()).or_default();
        values.push(value.to_owned());
    }
    values
}

fn respond(request: &Request, seen: String) -> Response<Body> {
    let case = request.headers().get("x-case");
    let case = case.and_then(|case| case.to_str().ok()).unwrap_or_default();
    let response = Response::builder();
    let response = match case {
        "headers" => response
            .header("X-Two", "a")
            .header("x-two", "b")
            .header("date", "now")
            .header("www-authenticate", "Bearer")
            .header("server", "me")
            .header("connection", "close")
            .header("content-type", "text/plain")
            .body(Body::from(seen)),
        "binary" => response
            .header("content-type", "image/png")
            .body(Body::from(vec![0, 159, 146, 150])),
        "encoded" => response
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(Body::from(seen)),
        "latin" => response
            .header("content-type", "text/plain; charset=iso-8859-1")
            .body(Body::from(vec![0xe4, b'a'])),
        "empty" => response.status(204).body(Body::Empty),
        "not-modified" => response
            .status(304)
            .header("etag", "\"a\"")
            .body(Body::Empty),
        "informational" => response.status(102).body(Body::Empty),
        "not-text" => {
            let value = lambda_http::http::HeaderValue::from_bytes(b"\xe4").unwrap();
            response.header("x-latin", value).body(Body::from(seen))
        }
        "large" => response.body(Body::from("\u{1}".repeat(700_000))),
        "too-large" => response.body(Body::from("\u{1}".repeat(1_200_000))),
        _ => response.status(201).body(Body::from(seen)),
    };
    response.unwrap()
}

/// The response without what differs between two requests.
async fn answer(api: &Api, request: &[u8]) -> Vec<String> {
    let answer = api.raw_bytes(request).await;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let (head, body) = answer.split_at(end);
    let mut lines: Vec<String> = String::from_utf8_lossy(head)
        .lines()
        .map(str::to_lowercase)
        .filter(|line| !line.starts_with("x-amzn-requestid:"))
        .filter(|line| !line.starts_with("x-amz-apigw-id:"))
        .filter(|line| !line.starts_with("date:"))
        .collect();
    lines.sort();
    // A refusal names the request.
    if !lines.iter().any(|line| line.starts_with("http/1.1 5")) {
        lines.push(String::from_utf8_lossy(body).into_owned());
    }
    lines
}

fn request(method: &str, target: &str, headers: &[u8], body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost:99\r\nconnection: close\r\nx-amzn-trace-id: Root=1-0-0\r\n\
         authorization: Bearer token\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(headers);
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// Two gateways with the same functions: the first calls them without JSON.
async fn both() -> (Api, Api) {
    let start = async |function: Function| {
        let setup = Setup::new().parameter("BinaryType", "image/png");
        let setup = setup.with("open", function.clone()).with("notes", function);
        setup.start().await
    };
    let function = handler();
    (
        start(function.clone()).await,
        start(through_json(&function)).await,
    )
}

#[tokio::test]
async fn a_request_is_the_same_with_and_without_json() {
    let (direct, json) = both().await;
    let targets = [
        "/open/a%2Fb/of/u",
        "/open/a/of/u/",
        "/notes/a?b",
        "/open/%F0%9F%98%80/of/..?q=1&q=2&r",
        "/open/a/of/u?=&a%3D=%26&a=+&%ff=%ff",
        "/open/a/of/u?attributes.country=DE&attributes.country=FR",
    ];
    let headers: [&[u8]; 7] = [
        b"",
        b"content-type: application/json\r\nuser-agent: test\r\n",
        b"X-Two: a\r\nx-two: b\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-port: 1\r\n",
        b"x-latin: \xe4\xff\r\ncontent-type: image/png\r\n",
        b"content-type: application/octet-stream\r\naccept: image/png\r\n",
        b"content-type: text/plain; charset=iso-8859-1\r\naccept: */*\r\n",
        b"x-empty:\r\nx-case: headers\r\n",
    ];
    let large = vec![1; 1_100_000];
    let bodies: [&[u8]; 5] = [
        b"",
        b"{\"a\":1}",
        b"\xff\x00",
        "\u{1f600}\u{0}".as_bytes(),
        &large,
    ];
    for target in targets {
        for headers in headers {
            for body in bodies {
                let sent = request("GET", target, headers, body);
                assert_eq!(answer(&direct, &sent).await, answer(&json, &sent).await);
            }
        }
    }
}

#[tokio::test]
async fn a_response_is_the_same_with_and_without_json() {
    let (direct, json) = both().await;
    let cases = [
        "plain",
        "headers",
        "binary",
        "encoded",
        "latin",
        "empty",
        "not-modified",
        "informational",
        "not-text",
        "large",
        "too-large",
    ];
    for case in cases {
        for accept in ["*/*", "image/png", "application/json"] {
            let headers = format!("x-case: {case}\r\naccept: {accept}\r\n");
            let sent = request("GET", "/open/a/of/u", headers.as_bytes(), b"");
            let (one, other) = (answer(&direct, &sent).await, answer(&json, &sent).await);
            assert_eq!(one, other, "{case} {accept}");
        }
    }
}
