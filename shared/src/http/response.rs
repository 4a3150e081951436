//! What is answered when all went well.

use super::{Request, Response};
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use lambda_http::{Body, http::StatusCode};
use serde::Serialize;

/// JSON with a status. Nothing of this API may be kept by a cache in between unless it says so.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    text_of(status, "application/json", text)
}

/// Text of some content type with a status.
pub fn text_of(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same answer with the `ETag` of a version.
pub fn with_version(response: Response, version: u64) -> Response {
    with_header(response, ETAG, &format!("\"{version}\""))
}

/// The same answer with the place of what was created.
pub fn with_location(response: Response, path: &str) -> Response {
    with_header(response, LOCATION, path)
}

/// The same answer for whoever has not seen it: 304 without a body where `If-None-Match` names its digest. Whoever keeps
/// it must ask each time.
pub fn if_changed(request: &Request, response: Response, digest: &str) -> Response {
    let tag = format!("\"{digest}\"");
    let seen = request.headers().get_all(IF_NONE_MATCH).iter();
    let mut seen = seen
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','));
    // A weak comparison, as RFC 9110 asks for here.
    let is_seen = seen.any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    let mut response = if is_seen {
        let mut unchanged = Response::new(Body::Empty);
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        response
    };
    let caching = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(CACHE_CONTROL, caching);
    with_header(response, ETAG, &tag)
}

fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
