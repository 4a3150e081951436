//! `GET /flags/{key}/history`: who changed a feature flag, when, and what, newest first, in pages.

use domain::access::Scope;
use domain::history::{FieldChange, flag_changes};
use domain::ids::FlagKey;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::history::{self, Action};
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
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
    let entries = history::entries(&records, limit, |record| record.created, entry)?;

    let next_cursor = history::next_cursor(entries.last().map(|entry| entry.version));
    let body = History {
        flag: key,
        entries,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &body))
}

/// A version. Only a change is compared with the version before.
fn entry(record: &FlagAuditRecord, older: Option<&FlagAuditRecord>) -> serde_json::Result<Entry> {
    let action = Action::of(record.created, record.deleted);
    let compared = older.filter(|_| action == Action::Changed);
    let changes = compared.map(|older| flag_changes(&older.definition, &record.definition));
    Ok(Entry {
        version: record.definition.version,
        action,
        at: record.at,
        by: record.by.clone(),
        reason: record.reason.clone(),
        changes: changes.transpose()?.unwrap_or_default(),
    })
}
