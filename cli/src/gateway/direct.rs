//! A request and a response without the JSON between a gateway and a function: within a process it is written only to be read
//! again, which takes longer than most handlers. The request is the one that Lambda's runtime makes of the event of
//! [`super::event`]; a test compares both.

use super::event::{NOT_FORWARDED, RoutedRequest, replaced_headers, request_time};
use super::payload::MAX_PAYLOAD_BYTES;
use super::request::IncomingRequest;
use super::response::{MalformedResponse, add_valid_header, with_body};
use super::stage::Stage;
use aws_lambda_events::apigw::{
    ApiGatewayProxyRequestContext, ApiGatewayProxyResponse, ApiGatewayRequestAuthorizer,
    ApiGatewayRequestIdentity,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use serde_json::Value;
use std::collections::HashMap;

/// Bytes of names and of members that do not depend on the request, in the JSON of an event or a response.
const FRAME_BYTES: usize = 8 * 1024;

/// Whether the JSON of a request or response with these headers and so many other bytes is certainly small enough: most bytes
/// of the JSON for one byte are the six of `\u001f`.
pub(super) fn is_small(headers: &HeaderMap, other_bytes: usize) -> bool {
    let headers = headers.iter();
    // An event has each header twice.
    let headers = headers.map(|(name, value)| 2 * (name.as_str().len() + value.len() + 16));
    let bytes = other_bytes + headers.sum::<usize>();
    bytes.saturating_mul(6) + FRAME_BYTES <= MAX_PAYLOAD_BYTES
}

/// The request of a handler.
pub(super) fn request(
    incoming: &mut IncomingRequest,
    body: Vec<u8>,
    routed: &RoutedRequest<'_>,
    stage: &Stage,
) -> Request {
    let mut request = Request::new(encoded_body(body, &incoming.headers, stage));
    *request.method_mut() = incoming.method.clone();
    // Handlers read the path and the query as the event has them; a test finds one that reads the address.
    *request.uri_mut() = Uri::from_static("/");
    let context = RequestContext::ApiGatewayV1(context(incoming, routed, stage));
    *request.headers_mut() = taken_headers(incoming);
    let mut request = request
        .with_raw_http_path(incoming.path.clone())
        .with_request_context(context);
    // What is missing reads like what is empty.
    if let Some(text) = incoming.query.as_deref() {
        request = request.with_query_string_parameters(query(text));
    }
    if !routed.parameters.is_empty() {
        let parameters = routed.parameters.iter().cloned();
        request = request.with_path_parameters(parameters.collect::<HashMap<_, _>>());
    }
    let variables = stage_variables(stage);
    if !variables.is_empty() {
        request = request.with_stage_variables(variables);
    }
    request
}

/// The headers of the event. They are moved: the gateway needs none of them after this.
fn taken_headers(incoming: &mut IncomingRequest) -> HeaderMap {
    let replaced = replaced_headers(incoming);
    let mut headers = std::mem::take(&mut incoming.headers);
    for name in NOT_FORWARDED {
        headers.remove(&name);
    }
    for value in headers.values_mut() {
        // The event has text.
        if std::str::from_utf8(value.as_bytes()).is_err()
            && let Ok(text) = HeaderValue::from_str(&String::from_utf8_lossy(value.as_bytes()))
        {
            *value = text;
        }
    }
    for (name, value) in replaced {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}

fn query(query: &str) -> HashMap<String, Vec<String>> {
    let mut values: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let values = values.entry(name.into_owned()).or_default();
        values.push(value.into_owned());
    }
    values
}

fn stage_variables(stage: &Stage) -> HashMap<String, String> {
    let variables = stage.variables.as_object().into_iter().flatten();
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    variables.filter_map(text).collect()
}

fn encoded_body(body: Vec<u8>, headers: &HeaderMap, stage: &Stage) -> Body {
    if body.is_empty() {
        return Body::Empty;
    }
    if stage.is_binary_body(headers) {
        return Body::Binary(body);
    }
    match String::from_utf8(body) {
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

fn context(
    request: &IncomingRequest,
    routed: &RoutedRequest<'_>,
    stage: &Stage,
) -> ApiGatewayProxyRequestContext {
    let host = request.header("host").unwrap_or("localhost");
    let mut identity = ApiGatewayRequestIdentity::default();
    identity.source_ip = Some(request.peer_ip.clone());
    identity.user_agent = request.header("user-agent").map(str::to_owned);
    let mut authorizer = ApiGatewayRequestAuthorizer::default();
    if let Some(authorization) = routed.authorization {
        authorizer.fields = authorization.context().collect();
    }
    // These types are non-exhaustive, so they cannot be built with a struct expression here.
    let mut context = ApiGatewayProxyRequestContext::default();
    context.account_id = Some(stage.account.clone());
    context.apiid = Some(stage.api_id.clone());
    context.stage = Some(stage.name.clone());
    context.resource_id = Some(routed.resource_id.to_owned());
    context.resource_path = Some(routed.resource.to_owned());
    context.http_method = request.method.clone();
    context.path = Some(format!("/{}{}", stage.name, request.path));
    context.protocol = Some(request.protocol.to_owned());
    context.domain_name = Some(host.to_owned());
    context.domain_prefix = host.split('.').next().map(str::to_owned);
    context.request_id = Some(request.id.clone());
    let (time, milliseconds) = request_time(request);
    context.request_time = Some(time);
    context.request_time_epoch = milliseconds;
    context.identity = identity;
    context.authorizer = authorizer;
    context
}

/// The response of a handler to the caller. `accept` is a header of the caller.
pub(super) fn response(
    answer: Response<Body>,
    accept: Option<&str>,
    stage: &Stage,
) -> Result<Response<axum::body::Body>, MalformedResponse> {
    let (parts, body) = answer.into_parts();
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 4);
    for (name, value) in &parts.headers {
        add_valid_header(&mut headers, name, value.clone());
    }
    let (text, is_base64_encoded) = match body {
        Body::Text(text) => (text, false),
        Body::Binary(bytes) => (data_encoding::BASE64.encode(&bytes), true),
        _ => (String::new(), false),
    };
    with_body(
        (parts.status, headers),
        (text, is_base64_encoded),
        accept,
        stage,
    )
}

/// Whether the response can be given as it is. Otherwise its JSON is checked: if it may be too large, or has a status or a
/// header that the gateway refuses or that JSON does not have.
pub(super) fn is_plain(answer: &Response<Body>) -> bool {
    let bytes = answer.body().len();
    let has_text = |value: &HeaderValue| value.to_str().is_ok();
    (200..600).contains(&answer.status().as_u16())
        && is_small(answer.headers(), bytes)
        && answer.headers().values().all(has_text)
}

/// The response as Lambda's runtime writes it.
pub(super) fn written(answer: Response<Body>) -> Result<Value, serde_json::Error> {
    let (parts, body) = answer.into_parts();
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = i64::from(parts.status.as_u16());
    response.multi_value_headers = parts.headers;
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = (!body.is_empty()).then_some(body);
    serde_json::to_value(response)
}
