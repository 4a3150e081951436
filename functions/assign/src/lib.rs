//! `GET /experiments/{id}/assignment/{user_id}`: the variant of a user.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::assignment::{AssignmentRequest, StoredState, assign};
use shared::http::{Problem, Request, Response, caller::Caller, input, params, response};

/// Returns the user's assignment, and stores it if there is none.
///
/// # Errors
/// 404 if there is no such experiment; 409 for a holdout; 400 with all faults of the user id and of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let id = params::experiment_id(&request)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let read = input::assignment::read(&request, &experiment)?;

    let request = AssignmentRequest {
        experiment: &experiment,
        context: &read.context,
        dimensions: read.dimensions,
        enroll: read.enroll,
    };
    let assigned = assign(&app, request, StoredState::Unknown).await?;

    Ok(response::json(StatusCode::OK, &assigned))
}
