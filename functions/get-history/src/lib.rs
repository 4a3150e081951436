//! `GET /experiments/{id}/history`: who changed an experiment, when, and what, newest first, in pages.

use domain::access::Scope;
use domain::history::{FieldChange, changes};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, history, params, response};
use shared::store::experiments::AuditRecord;

#[derive(Serialize)]
struct History {
    experiment_id: ExperimentId,
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A version of the definition.
#[derive(Serialize)]
struct Entry {
    version: u64,
    at: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Empty for the creation.
    changes: Vec<FieldChange>,
}

/// Returns the history of an experiment.
///
/// # Errors
/// 400 with all faults of the query, 404 if there is no such experiment.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, position) = query.page(params::is_version);
    query.finish()?;

    let before = position.and_then(|version| version.parse().ok());
    // One more, which the last entry is compared with.
    let records = app.store().audit_records(&id, limit + 1, before).await?;
    if records.is_empty() && before.is_none() {
        return Err(Problem::unknown_experiment(id.as_str()));
    }
    let entries = history::entries(&records, limit, is_creation, entry)?;

    let next_cursor = history::next_cursor(entries.last().map(|entry| entry.version));
    let body = History {
        experiment_id: id,
        entries,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &body))
}

fn is_creation(record: &AuditRecord) -> bool {
    record.definition.version == 1
}

fn entry(record: &AuditRecord, older: Option<&AuditRecord>) -> serde_json::Result<Entry> {
    let changes = older.map(|older| changes(&older.definition, &record.definition));
    Ok(Entry {
        version: record.definition.version,
        at: record.at,
        by: record.by.clone(),
        reason: record.reason.clone(),
        changes: changes.transpose()?.unwrap_or_default(),
    })
}
