//! `GET /segments/{id}`: returns a segment, and the definitions that name it.

use domain::access::Scope;
use domain::segment::Segment;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::used_by::UsedBy;

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    segment: Segment,
    #[serde(flatten)]
    used_by: UsedBy,
}

/// Returns a segment, with its version as `ETag`.
///
/// # Errors
/// 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::segment_id(&request)?;

    let found = app.store().segment(&id).await?;
    let segment = found.ok_or_else(|| Problem::unknown_segment(id.as_str()))?;
    let used_by = app.store().users_of_segment(&id).await?;

    let version = segment.version;
    let answer = Answer { segment, used_by };
    Ok(response::with_version(
        response::json(StatusCode::OK, &answer),
        version,
    ))
}
