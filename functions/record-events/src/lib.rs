//! `POST /events`: records events, each once for every experiment that it counts for.

mod ingest_summary;
mod outcome;
mod record;

use domain::access::Scope;
use ingest_summary::IngestSummary;
use lambda_http::http::StatusCode;
use outcome::EventOutcome;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, body, caller::Caller, input, response};

#[derive(Serialize)]
struct RecordEventsResponse {
    received: usize,
    stored: usize,
    duplicates: usize,
    rejected: usize,
    events: Vec<EventOutcome>,
}

/// Records one event or a batch, and returns the outcome of each. A repeated request changes nothing.
///
/// # Errors
/// 422 if the envelope, or a single event, has faults. 429 and 503 if the database does not keep up; a repeat is safe.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Track)?;
    let text = body::json(&request)?;
    let received_at = app.now();
    let events = input::events::read(text, received_at)?;

    let outcomes = record::all(&app, events, received_at).await?;

    let summary = IngestSummary::of(&outcomes);
    summary.log();
    let body = RecordEventsResponse {
        received: summary.received,
        stored: summary.stored,
        duplicates: summary.duplicates,
        rejected: summary.rejected,
        events: outcomes,
    };
    Ok(response::json(StatusCode::OK, &body))
}
