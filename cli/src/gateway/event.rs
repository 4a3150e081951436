//! Builds the event of a proxy integration, with the members that a REST API of API Gateway sends.

use super::policy::Authorization;
use super::request::IncomingRequest;
use super::stage::Stage;
use axum::http::{HeaderMap, HeaderName, header};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The route of a request.
#[derive(Debug)]
pub(super) struct RoutedRequest<'r> {
    pub(super) resource: &'r str,
    pub(super) resource_id: &'r str,
    pub(super) parameters: &'r [(String, String)],
    /// If the route has an authorizer.
    pub(super) authorization: Option<&'r Authorization>,
}

/// Builds the event of a request.
pub(super) fn proxy_event(
    request: &IncomingRequest,
    body: Vec<u8>,
    routed: &RoutedRequest<'_>,
    stage: &Stage,
) -> Value {
    let (headers, multi_value_headers) = headers(request);
    let (query, multi_value_query) = query(request.query.as_deref());
    let (body, is_base64_encoded) = encoded_body(body, &request.headers, stage);
    json!({
        "resource": routed.resource,
        "path": request.path,
        "httpMethod": request.method.as_str(),
        "headers": headers,
        "multiValueHeaders": multi_value_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": multi_value_query,
        "pathParameters": path_parameters(routed.parameters),
        "stageVariables": stage.variables,
        "requestContext": request_context(request, routed, stage),
        "body": body,
        "isBase64Encoded": is_base64_encoded,
    })
}

fn request_context(request: &IncomingRequest, routed: &RoutedRequest<'_>, stage: &Stage) -> Value {
    let (time, milliseconds) = request_time(request);
    let host = request.header("host").unwrap_or("localhost");
    let mut context = json!({
        "accountId": stage.account,
        "apiId": stage.api_id,
        "stage": stage.name,
        "resourceId": routed.resource_id,
        "resourcePath": routed.resource,
        "operationName": null,
        "httpMethod": request.method.as_str(),
        // This path includes the stage; the event's own `path` does not.
        "path": format!("/{}{}", stage.name, request.path),
        "protocol": request.protocol,
        "domainName": host,
        "domainPrefix": host.split('.').next(),
        "requestId": request.id,
        "extendedRequestId": request.extended_id,
        "requestTime": time,
        "requestTimeEpoch": milliseconds,
        "identity": {
            "cognitoIdentityPoolId": null,
            "accountId": null,
            "cognitoIdentityId": null,
            "caller": null,
            "sourceIp": request.peer_ip,
            "principalOrgId": null,
            "accessKey": null,
            "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null,
            "userArn": null,
            "userAgent": request.header("user-agent"),
            "user": null,
        },
    });
    if let (Some(authorization), Some(members)) = (routed.authorization, context.as_object_mut()) {
        let authorizer = authorization.context().collect();
        members.insert("authorizer".to_owned(), Value::Object(authorizer));
    }
    context
}

/// The format of the request time, parsed once.
static REQUEST_TIME: LazyLock<Vec<Item<'static>>> =
    LazyLock::new(|| StrftimeItems::new("%d/%b/%Y:%H:%M:%S %z").collect());

/// When the request was received: as text, and in milliseconds since 1970.
pub(super) fn request_time(request: &IncomingRequest) -> (String, i64) {
    let received = DateTime::<Utc>::from(request.received);
    let text = received.format_with_items(REQUEST_TIME.iter());
    let text = text.to_string();
    (text, received.timestamp_millis())
}

/// Path parameters stay percent-encoded. The service decodes query values, but not the path parameters of a proxy
/// integration.
fn path_parameters(parameters: &[(String, String)]) -> Value {
    if parameters.is_empty() {
        return Value::Null;
    }
    let members = parameters.iter();
    let members = members.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(members.collect())
}

/// Returns the last value of each header, and all values of each header.
fn headers(request: &IncomingRequest) -> (Value, Value) {
    let mut single = Map::new();
    let mut multi = Map::new();
    let mut add = |name: &str, value: String| {
        append(&mut multi, name, value.clone());
        single.insert(name.to_owned(), Value::String(value));
    };
    for (name, value) in &request.headers {
        if !NOT_FORWARDED.contains(name) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            add(name.as_str(), value);
        }
    }
    for (name, value) in replaced_headers(request) {
        add(name, value);
    }
    (Value::Object(single), Value::Object(multi))
}

/// The headers that a function does not get as the caller sent them. The gateway replaces the forwarding headers. It reads a
/// body of unknown length completely, so the function sees no transfer encoding.
pub(super) const NOT_FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-amzn-trace-id"),
    header::TRANSFER_ENCODING,
];

/// The headers that the gateway adds.
pub(super) fn replaced_headers(request: &IncomingRequest) -> [(&'static str, String); 4] {
    let peer = &request.peer_ip;
    let forwarded_for = match request.header("x-forwarded-for") {
        Some(sent) => format!("{sent}, {peer}"),
        None => peer.clone(),
    };
    let port = request
        .header("host")
        .and_then(|host| host.rsplit_once(':'));
    let port = port.map_or("80", |(_, port)| port).to_owned();
    [
        ("x-forwarded-for", forwarded_for),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-forwarded-port", port),
        ("x-amzn-trace-id", request.trace.clone()),
    ]
}

/// Returns the last value of each query parameter, and all values, decoded. Both are null if there is no parameter.
fn query(query: Option<&str>) -> (Value, Value) {
    let mut single = Map::new();
    let mut multi = Map::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        append(&mut multi, &name, value.to_string());
        single.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    if single.is_empty() {
        return (Value::Null, Value::Null);
    }
    (Value::Object(single), Value::Object(multi))
}

fn append(members: &mut Map<String, Value>, name: &str, value: String) {
    let values = members
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(values) = values {
        values.push(Value::String(value));
    }
}

/// Returns the body as text. It is base64 if its type is one of the API's binary types or if it is not UTF-8.
fn encoded_body(body: Vec<u8>, headers: &HeaderMap, stage: &Stage) -> (Value, bool) {
    if body.is_empty() {
        return (Value::Null, false);
    }
    let base64 = |bytes: &[u8]| (Value::String(data_encoding::BASE64.encode(bytes)), true);
    if stage.is_binary_body(headers) {
        return base64(&body);
    }
    match String::from_utf8(body) {
        Ok(text) => (Value::String(text), false),
        Err(error) => base64(error.as_bytes()),
    }
}

/// An id of six characters that is always the same for a resource, as in the service.
pub(super) fn resource_id(resource: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(resource.as_bytes());
    data_encoding::BASE32_NOPAD
        .encode(&digest[..5])
        .to_lowercase()[..6]
        .to_owned()
}
