//! The headers of all responses.

use lambda_http::http::HeaderMap;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// No script, no frame, nothing from elsewhere. Forms go to this origin only.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What keeps other pages from showing, reading or keeping a page of the dashboard.
pub(crate) fn protect(headers: &mut HeaderMap) {
    let fixed = |value: &'static str| HeaderValue::from_static(value);
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, fixed(POLICY));
    // Forms need the `Origin`, which browsers leave out under `no-referrer`.
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(HeaderName::from_static(name), fixed(value));
    }
}
