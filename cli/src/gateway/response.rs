//! Converts a function's proxy response to HTTP. It is checked as strictly as the service does.

use super::stage::Stage;
use crate::template::Preflight;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Why the value that a function returned is not a valid proxy response.
#[derive(Debug, thiserror::Error)]
pub(super) enum MalformedResponse {
    #[error("it has the wrong form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("statusCode {0} is not an HTTP status")]
    Status(Value),
    #[error("the header {0} is not a valid header")]
    Header(String),
    #[error("the body is not valid base64: {0}")]
    Base64(#[from] data_encoding::DecodeError),
}

// The service also refuses a response with other members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProxyResponse {
    status_code: Value,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<Map<String, Value>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The response of a mock integration, without a body.
pub(super) fn preflight_response(preflight: &Preflight) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    // The status is that of the checked template, so it is always valid.
    *response.status_mut() =
        StatusCode::from_u16(preflight.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = ("content-type".to_owned(), "application/json".to_owned());
    for (name, value) in std::iter::once(&json).chain(&preflight.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Converts the value that a function returned. `accept` is a header of the caller: a base64 body is decoded only if the
/// caller accepts one of the API's binary types. Otherwise the body is the base64 text.
pub(super) fn proxy_response(
    answer: Value,
    accept: Option<&str>,
    stage: &Stage,
) -> Result<Response<Body>, MalformedResponse> {
    let answer: ProxyResponse = serde_json::from_value(answer)?;
    let status = status(answer.status_code)?;
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers.unwrap_or_default() {
        add_header(&mut headers, &name, &value)?;
    }
    for (name, values) in answer.multi_value_headers.unwrap_or_default() {
        let Value::Array(values) = values else {
            return Err(MalformedResponse::Header(name));
        };
        // If both maps contain a header, the values of `multiValueHeaders` replace the single value.
        headers.remove(name.as_str());
        for value in &values {
            add_header(&mut headers, &name, value)?;
        }
    }
    let body = (
        answer.body.unwrap_or_default(),
        answer.is_base64_encoded.unwrap_or(false),
    );
    with_body((status, headers), body, accept, stage)
}

/// A response with a body that is base64 or not.
pub(super) fn with_body(
    (status, mut headers): (StatusCode, HeaderMap),
    (body, is_base64_encoded): (String, bool),
    accept: Option<&str>,
    stage: &Stage,
) -> Result<Response<Body>, MalformedResponse> {
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    let first_accepted = accept.and_then(|accept| accept.split(',').next());
    let binary = stage.is_binary(first_accepted.unwrap_or("application/json"));
    let body = if is_base64_encoded && binary {
        Body::from(data_encoding::BASE64.decode(body.as_bytes())?)
    } else {
        Body::from(body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn status(value: Value) -> Result<StatusCode, MalformedResponse> {
    let number = match &value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (200..600).contains(number))
        .and_then(|number| u16::try_from(number).ok())
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(MalformedResponse::Status(value))
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), MalformedResponse> {
    let malformed = || MalformedResponse::Header(name.to_owned());
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => return Err(malformed()),
    };
    let value = HeaderValue::try_from(text).map_err(|_| malformed())?;
    let name = HeaderName::try_from(name.to_lowercase()).map_err(|_| malformed())?;
    add_valid_header(headers, &name, value);
    Ok(())
}

/// Adds a header as the gateway passes it on.
pub(super) fn add_valid_header(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    match name.as_str() {
        // The gateway manages the connection to the caller, so these headers are ignored.
        "connection" | "content-length" | "keep-alive" | "transfer-encoding" | "upgrade" => {}
        // The service renames headers that it reserves.
        "date" => add_renamed(headers, "x-amzn-remapped-date", value),
        "server" => add_renamed(headers, "x-amzn-remapped-server", value),
        "www-authenticate" => add_renamed(headers, "x-amzn-remapped-www-authenticate", value),
        _ => {
            headers.append(name.clone(), value);
        }
    }
}

fn add_renamed(headers: &mut HeaderMap, name: &'static str, value: HeaderValue) {
    headers.append(HeaderName::from_static(name), value);
}
