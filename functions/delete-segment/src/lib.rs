//! `DELETE /segments/{id}`: deletes a segment that no definition names.

use domain::access::Scope;
use domain::ids::SegmentId;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::if_match::expected_version;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::catalog::CatalogTries;
use shared::store::experiments::Author;
use shared::store::segments::SegmentWrite;
use shared::store::used_by::{SegmentUser, UsedBy};

/// Deletes a segment if it is still at the caller's version. Its audit trail is kept.
///
/// # Errors
/// 404, 409 if it is used, 412 if the version is outdated, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let id = params::segment_id(&request)?;
    let expected = expected_version(&request)?;

    let author = Author {
        by: &caller.token_id,
        reason: None,
    };
    let mut tries = CatalogTries::default();
    loop {
        let catalog = app.store().catalog().await?;
        let found = catalog.segment(&id);
        let stored = found.ok_or_else(|| Problem::unknown_segment(id.as_str()))?;
        if expected.is_some_and(|version| version != stored.segment.version) {
            return Err(Problem::stale("segment", stored.segment.version));
        }
        // A use that is written after this query changes the catalog.
        let used_by = app.store().users_of_segment(&id).await?;
        if used_by.used_by_count > 0 {
            return Err(in_use(&id, &used_by));
        }
        let deleted = app
            .store()
            .delete_segment(&catalog, stored, author, app.now());
        match deleted.await? {
            SegmentWrite::Written => return Ok(response::json(StatusCode::OK, &stored.segment)),
            SegmentWrite::CatalogChanged => tries.next().await?,
        }
    }
}

fn in_use(id: &SegmentId, used_by: &UsedBy) -> Problem {
    let users = used_by.used_by.iter().map(|user| match user {
        SegmentUser::Experiment(id) => format!("experiment `{id}`"),
        SegmentUser::Segment(id) => format!("segment `{id}`"),
        SegmentUser::Flag(key) => format!("flag `{key}`"),
    });
    let mut named = users.collect::<Vec<_>>().join(", ");
    let more = used_by.used_by_count - used_by.used_by.len();
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    let detail = format!(
        "The segment `{id}` is used by {named}. Remove it from their conditions, or stop the experiments."
    );
    Problem::conflict("segment_in_use", detail, Vec::new())
}
