//! `POST /events`: records what users did, once for each experiment that it counts for.

mod ingest_summary;
mod record;

use domain::access::Scope;
use ingest_summary::IngestSummary;
use lambda_http::http::StatusCode;
use record::Outcome;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, body, caller::Caller, input, response};

#[derive(Serialize)]
struct Answer {
    received: usize,
    stored: usize,
    duplicates: usize,
    rejected: usize,
    events: Vec<Outcome>,
}

/// Records one event or a batch, with an outcome for each. Sending it again changes nothing.
///
/// # Errors
/// 422 if the envelope, or an event sent by itself, is wrong. 429 and 503 when the database does not keep up; a repeat is safe then.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Track)?;
    let text = body::json(&request)?;
    let received_at = app.now();
    let events = input::events::read(text, received_at)?;

    let outcomes = record::all(&app, events, received_at).await?;

    let ingest_summary = IngestSummary::of(&outcomes);
    ingest_summary.log();
    let answer = Answer {
        received: ingest_summary.received,
        stored: ingest_summary.stored,
        duplicates: ingest_summary.duplicates,
        rejected: ingest_summary.rejected,
        events: outcomes,
    };
    Ok(response::json(StatusCode::OK, &answer))
}
