//! `GET /segments`: lists all segments by id, in pages.

use domain::access::Scope;
use domain::ids::SegmentId;
use domain::segment::Segment;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;

#[derive(Serialize)]
struct List {
    segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists segments.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, after) = query.page(|text| SegmentId::parse(text).is_ok());
    query.finish()?;

    // One more shows whether there is another page.
    let mut segments = app
        .store()
        .segments_after(after.as_deref().unwrap_or_default(), limit + 1)
        .await?;

    let more = segments.len() > limit;
    segments.truncate(limit);
    let last = segments.last().filter(|_| more);
    let next_cursor = last.map(|last| Cursor(last.id.to_string()).encode());
    let list = List {
        segments,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &list))
}
