//! One line per request. Never a token, a header, a query or a body; and the resource, not the path, because
//! paths hold user ids.

use super::request::Incoming;
use axum::http::StatusCode;

/// What became known of a request on its way.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) resource: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) refused: Option<&'static str>,
    pub(super) integration_ms: Option<u64>,
}

pub(super) fn write(request: &Incoming, trail: &Trail, status: StatusCode) {
    let elapsed = request.received.elapsed().unwrap_or_default();
    tracing::info!(
        target: "assay::access",
        request_id = request.id,
        method = %request.method,
        resource = trail.resource.as_deref().unwrap_or("-"),
        status = status.as_u16(),
        duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        integration_ms = trail.integration_ms,
        principal = trail.principal.as_deref(),
        refused = trail.refused,
        "request",
    );
}
