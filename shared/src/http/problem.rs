//! Failures as RFC 9457 problem details with stable codes.

use super::Response;
use crate::store::StoreError;
use crate::store::raw::RawError;
use domain::coverage::CoverageGap;
use domain::limits::{
    ERASED_DAYS, MAX_NUMBERS_READ, MAX_RECORDS_READ, MAX_USERS_WITH_PRE_EXPOSURE,
    MAX_USERS_WITH_PROPERTIES,
};
use domain::prose::grouped_size;
use domain::{Invalid, sums};
use lambda_http::{Body, http::StatusCode, http::header};
use serde::Serialize;

/// A failed request, and the reason.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Fault>,
    /// Details for the log only.
    cause: Option<String>,
    /// Seconds to wait before a repeat; sent with 429 and 503.
    retry_after: u32,
}

/// One fault of the input: its position, what is wrong, and how to fix it.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// RFC 6901 pointer into the body, or `?name` for a query parameter, or `header`.
    pub pointer: String,
    /// Stable and machine-readable.
    pub code: &'static str,
    /// A sentence for readers.
    pub detail: String,
}

impl Fault {
    /// The fault of the value at a position.
    pub fn at(pointer: impl Into<String>, invalid: Invalid) -> Self {
        Self {
            pointer: pointer.into(),
            code: invalid.code,
            detail: invalid.detail,
        }
    }

    /// The fault of a row or an event whose user was erased.
    pub fn erased(pointer: impl Into<String>) -> Self {
        let detail = format!(
            "This user was erased. No data of an erased user is stored for {ERASED_DAYS} days."
        );
        Self::at(pointer, Invalid::new("erased", detail))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            cause: None,
            retry_after: 1,
        }
    }

    /// 400: the request cannot be read.
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: the values are invalid; with all faults.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("One value is invalid. {}", only.detail),
            many => format!(
                "{} values are invalid; see `errors`.",
                grouped_size(many.len())
            ),
        };
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
        }
    }

    /// 400: a query parameter, path parameter or header is invalid; with all faults.
    pub fn bad_parameters(errors: Vec<Fault>) -> Self {
        Self {
            errors,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                "bad_parameters",
                "A parameter is invalid; see `errors`.",
            )
        }
    }

    /// 401: the token has expired while its policy was cached. API Gateway lets no function send `WWW-Authenticate`.
    pub fn expired_token() -> Self {
        Self::unauthorized(
            "The token has expired. Send a valid token as: Authorization: Bearer TOKEN.",
        )
    }

    /// 401.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: the token lacks the scope.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 404 for an experiment id.
    pub fn unknown_experiment(id: &str) -> Self {
        Self::not_found(
            "experiment_not_found",
            format!("There is no experiment `{id}`."),
        )
    }

    /// 404 for a layer id.
    pub fn unknown_layer(id: &str) -> Self {
        Self::not_found("layer_not_found", format!("There is no layer `{id}`."))
    }

    /// 404 for a segment id.
    pub fn unknown_segment(id: &str) -> Self {
        Self::not_found("segment_not_found", format!("There is no segment `{id}`."))
    }

    /// 404: there is no such flag.
    pub fn unknown_flag(key: &str) -> Self {
        Self::not_found("flag_not_found", format!("There is no flag `{key}`."))
    }

    /// 409: a segment was deleted while a definition that names it was written.
    pub fn segment_deleted(id: &str) -> Self {
        let detail = format!(
            "The segment `{id}` was deleted at the same moment. Create it again, or name another segment."
        );
        Self::conflict("unknown_segment", detail, Vec::new())
    }

    /// 409: the request does not fit the current state; with the parts that do not fit.
    pub fn conflict(code: &'static str, detail: impl Into<String>, errors: Vec<Fault>) -> Self {
        Self {
            errors,
            ..Self::new(StatusCode::CONFLICT, code, detail)
        }
    }

    /// 412: the caller's version of `what`, such as an experiment, is outdated.
    pub fn stale(what: &str, current: u64) -> Self {
        let detail = format!(
            "The {what} has changed in the meantime and is at version {current}. Read it again, look at the difference, \
             and send `If-Match: \"{current}\"`."
        );
        Self::new(StatusCode::PRECONDITION_FAILED, "stale_version", detail)
    }

    /// 428: a change without `If-Match`.
    pub fn precondition_required() -> Self {
        let detail = "Send the `ETag` of the version that you are changing in `If-Match`, so that no change of \
                      another caller is lost.";
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match_required",
            detail,
        )
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!(
            "The body may have at most {} bytes, after it is decompressed; send less at a time.",
            grouped_size(limit)
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 415.
    pub fn unsupported_media_type(sent: &str) -> Self {
        let detail = format!(
            "The body must be JSON with `Content-Type: application/json`; this is `{sent}`."
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    }

    /// 415 for a `Content-Encoding`.
    pub fn unsupported_content_encoding(sent: &str) -> Self {
        let detail = format!(
            "The `Content-Encoding` of the body must be `gzip`, or be left out; this is `{sent}`."
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            detail,
        )
    }

    /// 404 for a path with a slash at its end.
    pub fn slash_at_the_end() -> Self {
        let detail =
            "There is no path with a slash at its end. Send the request without this slash.";
        Self::not_found("route_not_found", detail)
    }

    /// 422: the answer needs more reading than one request may do.
    pub fn too_much_work(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_much_work", detail)
    }

    /// 429: the token has sent as many events as it may until the next window of its budget.
    pub fn event_budget_exceeded(events_per_second: u32, seconds: u32) -> Self {
        let detail = format!(
            "The caller may send {events_per_second} events per second, on average over 10 seconds. Repeat the request \
             in {seconds} seconds; no event of it is stored."
        );
        Self {
            retry_after: seconds,
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "event_budget_exceeded",
                detail,
            )
        }
    }

    /// 503: an erasure has removed the user from the aggregates, and there was no time to delete all records.
    pub fn erasure_unfinished(events: usize) -> Self {
        let detail = format!(
            "The user no longer counts in any result. This request found {events} stored events, and there was no time \
             to find and delete all of them. Repeat the request: it continues with the remaining records."
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "erasure_unfinished",
            detail,
        )
    }

    /// 500, with the cause for the log.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "The service failed. The request id identifies the log entry.";
        Self {
            cause: Some(cause.into()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong in one text: the first fault with its place, or else the detail.
    pub fn first_fault(&self) -> String {
        match self.errors.first() {
            Some(fault) => format!("`{}`: {}", fault.pointer, fault.detail),
            None => self.detail.clone(),
        }
    }

    /// Seconds after which a caller may repeat the request, for a problem that passes.
    pub fn retry_after(&self) -> Option<u32> {
        let passes = [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        passes.contains(&self.status).then_some(self.retry_after)
    }

    /// Details for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The response.
    pub fn respond(&self, request_id: &str) -> Response {
        let document = Document {
            r#type: format!("urn:assay:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
        };
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = Response::new(Body::Text(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = Some(error.to_string());
        match error {
            StoreError::Throttled(_) => {
                let detail = "The database throttles requests at the moment. Repeat the request; nothing is counted twice.";
                Self {
                    cause,
                    ..Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", detail)
                }
            }
            StoreError::Unavailable(_) | StoreError::Contended(_) => {
                let detail = "The database did not respond in time. Repeat the request; nothing is counted twice.";
                Self {
                    cause,
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                }
            }
            StoreError::Refused(_) | StoreError::Unstorable(_) | StoreError::Corrupt(_) => {
                Self::internal(error.to_string())
            }
        }
    }
}

impl From<RawError> for Problem {
    fn from(error: RawError) -> Self {
        match error {
            RawError::Store(error) => error.into(),
            RawError::Overflow(error) => error.into(),
            RawError::TooManyRecords => Self::too_much_work(format!(
                "The aggregates cannot answer this request, and there are more than {} records to \
                 read. Ask for the whole time (without `from`, with an `as_of` at midnight UTC), without `dimension=…:…` and \
                 without `source=raw`.",
                grouped_size(MAX_RECORDS_READ)
            )),
            RawError::TooManyNumbers => Self::too_much_work(format!(
                "The aggregates of this request have more than {} numbers. Ask for no breakdown with `dimension=none`; if \
                 that is too much too, the experiment has too many metrics and variants for its number of days.",
                grouped_size(MAX_NUMBERS_READ)
            )),
            RawError::CoverageGap(why) => Self::coverage_gap(why),
            RawError::TooManyUndecided => Self::too_much_work(format!(
                "The aggregates cannot answer this request. Raw records would be read with the properties of the events that \
                 `exclude` names, which is done for at most {} users; this experiment has more. Ask for the whole time \
                 (without `from`, with an `as_of` at midnight UTC), without `dimension=…:…` and without `source=raw`; after a \
                 change, wait for the backfill.",
                grouped_size(MAX_USERS_WITH_PROPERTIES)
            )),
            RawError::TooManyPreExposures => Self::too_much_work(format!(
                "`cuped=true` reads every user's earlier events, and does so for at most {} users; this \
                 experiment has more. Look at a part of them with `dimension` or `to`, or leave `cuped` out.",
                grouped_size(MAX_USERS_WITH_PRE_EXPOSURE)
            )),
        }
    }
}

impl Problem {
    fn coverage_gap(why: CoverageGap) -> Self {
        let reason = why.reason();
        let detail = format!(
            "{} Leave `source` out, or use `source=raw`.",
            reason.message
        );
        Self::invalid(vec![Fault::at(
            "?source",
            Invalid::new(reason.reason, detail),
        )])
    }
}

impl From<sums::Overflow> for Problem {
    fn from(error: sums::Overflow) -> Self {
        let detail =
            "The values of a metric add up to more than 38 digits, so they are no measurements.";
        Self {
            cause: Some(error.to_string()),
            ..Self::conflict("overflow", detail, Vec::new())
        }
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(error.to_string())
    }
}
