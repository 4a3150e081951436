//! Responses of successful requests.

use super::params::origin;
use super::{Request, Response};
use domain::client_key::ClientKey;
use lambda_http::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};
use lambda_http::{Body, http::StatusCode};
use serde::Serialize;

/// A JSON response. Caches may not keep it.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    text_of(status, "application/json", text)
}

/// The response with an `ETag` of its body, or 304 if the caller has this body.
pub fn if_body_changed(request: &Request, response: Response) -> Response {
    let digest = match response.body() {
        Body::Text(text) => super::body::digest(text),
        _ => return response,
    };
    if_changed(request, response, &digest[..32])
}

/// A text response with a content type.
pub fn text_of(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds the `ETag` of a version.
pub fn with_version(response: Response, version: u64) -> Response {
    with_header(response, ETAG, &format!("\"{version}\""))
}

/// Adds the `Location` of what was created.
pub fn with_location(response: Response, path: &str) -> Response {
    with_header(response, LOCATION, path)
}

/// Returns 304 without a body if `If-None-Match` has this digest. A cache must revalidate each time.
pub fn if_changed(request: &Request, response: Response, digest: &str) -> Response {
    let tag = format!("\"{digest}\"");
    let seen = request.headers().get_all(IF_NONE_MATCH).iter();
    let mut seen = seen
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','));
    // A weak comparison, as in RFC 9110.
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

/// Headers that the code of a page can read, beside those that every page can read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("ETag, Retry-After");

/// Lets the pages of a client key read the response: its origins, or all pages if it has none. Browsers send a page no
/// cookies of this API, so all pages may read what a key without origins may read.
pub fn with_cors(mut response: Response, request: &Request, client_key: &ClientKey) -> Response {
    // Caches must not give one page the response with the origin of another.
    let vary = HeaderValue::from_static("Origin");
    response.headers_mut().append(VARY, vary);
    let origin = origin(request).filter(|origin| client_key.allows_origin(Some(origin)));
    match origin {
        _ if client_key.origins.is_empty() => for_all_pages(response),
        Some(origin) => {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
            with_header(response, ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        }
        None => response,
    }
}

/// Lets all pages read the response.
pub(super) fn for_all_pages(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
