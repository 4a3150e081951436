//! `GET /flags/{key}/history`: who changed a feature flag, when, and what, newest first, in pages.

use domain::access::Scope;
use domain::flag::Flag;
use domain::history::{FieldChange, flag_changes};
use domain::ids::FlagKey;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;
use shared::store::flags::FlagAuditRecord;

#[derive(Serialize)]
struct History {
    flag: FlagKey,
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A version of the flag.
#[derive(Serialize)]
struct Entry {
    version: u64,
    action: Action,
    at: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Empty unless the flag was changed.
    changes: Vec<FieldChange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Created,
    Changed,
    Deleted,
}

/// Returns the history of a flag, also of a deleted one.
///
/// # Errors
/// 400 with all faults of the query, 404 if there never was such a flag.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let key = params::flag_key(&request)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, position) = query.page(params::is_version);
    query.finish()?;

    let before = position.and_then(|version| version.parse().ok());
    // One more, which the last entry is compared with.
    let store = app.store();
    let records = store.flag_audit_records(&key, limit + 1, before).await?;
    if records.is_empty() && before.is_none() {
        return Err(Problem::unknown_flag(key.as_str()));
    }
    let entries = entries(&records, limit).map_err(|error| Problem::internal(error.to_string()))?;

    let next = entries.last().filter(|entry| entry.version > 1);
    let next_cursor = next.map(|entry| Cursor(entry.version.to_string()).encode());
    let history = History {
        flag: key,
        entries,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &history))
}

/// The entries of records, each change compared with the next older record.
fn entries(records: &[FlagAuditRecord], limit: usize) -> serde_json::Result<Vec<Entry>> {
    let older = records.iter().skip(1).map(Some).chain([None]);
    let pairs = records.iter().zip(older).take(limit);
    // A change without an older record is on the next page.
    let complete = pairs.filter(|(record, older)| older.is_some() || record.created);
    complete
        .map(|(record, older)| entry(record, older.map(|older| &older.definition)))
        .collect()
}

fn entry(record: &FlagAuditRecord, older: Option<&Flag>) -> serde_json::Result<Entry> {
    let action = match (record.created, record.deleted) {
        (true, _) => Action::Created,
        (_, true) => Action::Deleted,
        _ => Action::Changed,
    };
    let compared = older.filter(|_| action == Action::Changed);
    let changes = compared.map(|older| flag_changes(older, &record.definition));
    Ok(Entry {
        version: record.definition.version,
        action,
        at: record.at,
        by: record.by.clone(),
        reason: record.reason.clone(),
        changes: changes.transpose()?.unwrap_or_default(),
    })
}
