//! `GET /segments/{id}/history`: who changed a segment, when, and what, newest first, in pages.

use domain::access::Scope;
use domain::history::{FieldChange, segment_changes};
use domain::ids::SegmentId;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::history::{self, Action};
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::segments::SegmentAuditRecord;

#[derive(Serialize)]
struct History {
    segment_id: SegmentId,
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A version of the segment.
#[derive(Serialize)]
struct Entry {
    version: u64,
    action: Action,
    at: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Empty unless the segment was changed.
    changes: Vec<FieldChange>,
    ids_added: usize,
    ids_removed: usize,
}

/// Returns the history of a segment, also of a deleted one.
///
/// # Errors
/// 400 with all faults of the query, 404 if there never was such a segment.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::segment_id(&request)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, position) = query.page(params::is_version);
    query.finish()?;

    let before = position.and_then(|version| version.parse().ok());
    // One more, which the last entry is compared with.
    let store = app.store();
    let records = store.segment_audit_records(&id, limit + 1, before).await?;
    if records.is_empty() && before.is_none() {
        return Err(Problem::unknown_segment(id.as_str()));
    }
    let entries = history::entries(&records, limit, |record| record.created, entry)?;

    let next_cursor = history::next_cursor(entries.last().map(|entry| entry.version));
    let body = History {
        segment_id: id,
        entries,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &body))
}

/// A version. Only a change is compared with the version before.
fn entry(
    record: &SegmentAuditRecord,
    older: Option<&SegmentAuditRecord>,
) -> serde_json::Result<Entry> {
    let action = Action::of(record.created, record.deleted);
    let compared = older.filter(|_| action == Action::Changed);
    let changes = compared.map(|older| segment_changes(&older.definition, &record.definition));
    Ok(Entry {
        version: record.definition.version,
        action,
        at: record.at,
        by: record.by.clone(),
        reason: record.reason.clone(),
        changes: changes.transpose()?.unwrap_or_default(),
        ids_added: record.ids_added,
        ids_removed: record.ids_removed,
    })
}
