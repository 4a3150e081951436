//! `POST /events`: records events, each once for every experiment that it counts for.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::event_budget::Spent;
use shared::http::recording::{self, EventOutcome, HiddenOutcome, HiddenResult, IngestSummary};
use shared::http::{Problem, Request, Response, body, caller::Caller, input, response};

#[derive(Serialize)]
struct RecordEventsResponse {
    received: usize,
    stored: usize,
    duplicates: usize,
    rejected: usize,
    events: Vec<EventOutcome>,
}

/// The response to a token that may learn nothing about users.
#[derive(Serialize)]
struct HiddenEventsResponse {
    received: usize,
    accepted: usize,
    rejected: usize,
    events: Vec<HiddenOutcome>,
}

/// Records one event or a batch, and returns the outcome of each. A repeated request changes nothing.
///
/// # Errors
/// 422 if the envelope, or a single event, has faults. 429 if the budget of the token is used up. 429 and 503 if the
/// database does not keep up; a repeat is safe.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Track)?;
    let text = body::json(&request)?;
    let received_at = app.now();
    let events = input::events::read(text, received_at)?;
    spend(&app, &caller, events.records()).await?;

    let outcomes = recording::all(&app, events, received_at).await?;

    let summary = IngestSummary::of(&outcomes);
    summary.log();
    if caller.hides_assignments {
        return Ok(response::json(StatusCode::OK, &hidden(outcomes)));
    }
    let body = RecordEventsResponse {
        received: summary.received,
        stored: summary.stored,
        duplicates: summary.duplicates,
        rejected: summary.rejected,
        events: outcomes,
    };
    Ok(response::json(StatusCode::OK, &body))
}

async fn spend(app: &App, caller: &Caller, events: usize) -> Result<(), Problem> {
    let per_second = caller.events_per_second;
    let spent = app.spend_events(&caller.token_id, per_second, events, app.now());
    match spent.await? {
        Spent::Within => Ok(()),
        Spent::UsedUp { seconds } => Err(Problem::event_budget_exceeded(per_second, seconds)),
    }
}

fn hidden(outcomes: Vec<EventOutcome>) -> HiddenEventsResponse {
    let events: Vec<HiddenOutcome> = outcomes.into_iter().map(HiddenOutcome::from).collect();
    let accepted = events
        .iter()
        .filter(|outcome| matches!(outcome.result, HiddenResult::Accepted))
        .count();
    HiddenEventsResponse {
        received: events.len(),
        accepted,
        rejected: events.len() - accepted,
        events,
    }
}
