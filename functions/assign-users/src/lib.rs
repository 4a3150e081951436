//! `POST /experiments/{id}/assignments:evaluate`: the variants of several users in one experiment.

use domain::access::Scope;
use domain::ids::ExperimentId;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::assignment::{AssignmentRequest, AssignmentResponse, StoredState, assign};
use shared::http::input::batch;
use shared::http::{Problem, Request, Response, body, caller::Caller, params, response};

/// Users whose assignments are read or written at once.
const AT_ONCE: usize = 16;

#[derive(Serialize)]
struct AssignUsersResponse {
    experiment_id: ExperimentId,
    /// In the order of the users.
    assignments: Vec<AssignmentResponse>,
}

/// Returns the users' assignments, and stores those that do not exist.
///
/// # Errors
/// 404 if there is no such experiment, 409 for a holdout, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let id = params::experiment_id(&request)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let input = batch::assign_users(body::json(&request)?)?;
    let dimensions = batch::dimensions_of(&input.users, &experiment)?;

    let users = input.users.iter().zip(dimensions);
    let calls = users
        .map(|(user, dimensions)| {
            let request = AssignmentRequest {
                experiment: &experiment,
                context: &user.context,
                dimensions,
                enroll: input.enroll,
            };
            assign(&app, request, StoredState::Unknown)
        })
        .collect::<Vec<_>>();
    let calls = stream::iter(calls).buffered(AT_ONCE);
    let assignments = calls.try_collect().await?;

    let body = AssignUsersResponse {
        experiment_id: id,
        assignments,
    };
    Ok(response::json(StatusCode::OK, &body))
}
