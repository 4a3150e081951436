//! Writes one log line per request. The line contains no token, header, query or body. It contains the resource instead of
//! the path, because paths contain user ids.

use super::policy::Policy;
use super::request::IncomingRequest;
use axum::http::StatusCode;
use std::sync::Arc;

/// What is known about a request when it has been answered.
#[derive(Debug, Default)]
pub(super) struct AccessLogEntry<'r> {
    pub(super) resource: Option<&'r str>,
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) refused: Option<&'static str>,
    pub(super) integration_ms: Option<u64>,
}

pub(super) fn write(request: &IncomingRequest, log_entry: &AccessLogEntry<'_>, status: StatusCode) {
    let elapsed = request.received.elapsed().unwrap_or_default();
    tracing::info!(
        target: "assay::access",
        request_id = request.id,
        method = %request.method,
        resource = log_entry.resource.unwrap_or("-"),
        status = status.as_u16(),
        duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        integration_ms = log_entry.integration_ms,
        principal = log_entry.policy.as_ref().map(|policy| policy.principal_id.as_str()),
        refused = log_entry.refused,
        "request",
    );
}
