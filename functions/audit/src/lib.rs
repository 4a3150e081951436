//! `POST /experiments/{id}/audit`: compares the aggregates with the raw records, and repairs them on request.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, params, response};
use shared::store::audit::Patience;
use std::time::Duration;

/// The response must be sent within 25 seconds.
const PATIENCE: Patience = Patience {
    least: Duration::from_secs(2),
    most: Duration::from_secs(15),
};

/// Audits an experiment.
///
/// # Errors
/// 404, 409 for a draft or a definition that changes at this moment, 422 with all faults.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let id = params::experiment_id(&request)?;
    let repair = input::audit::repair(&request)?;

    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    if experiment.schedule.started_at.is_none() {
        let detail = "A draft has no users, and so no aggregates.";
        return Err(Problem::conflict("not_started", detail, Vec::new()));
    }
    let mut audit = app.store().audit(&experiment, PATIENCE).await?;
    if repair {
        let asked_for = app.store().ask_for_sums(&experiment).await?;
        audit.backfill_started = Some(asked_for.ok_or_else(changed_since_read)?);
    }

    Ok(response::json(StatusCode::OK, &audit))
}

fn changed_since_read() -> Problem {
    let detail = "The definition was changed at the same moment. Repeat the request.";
    Problem::conflict("changed_since_read", detail, Vec::new())
}
