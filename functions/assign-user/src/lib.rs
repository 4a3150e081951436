//! `POST /assignments`: the variants of one user in all running experiments, or in named ones.

use domain::access::Scope;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UserId};
use domain::limits;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::assignment::{
    AssignmentRequest, AssignmentResponse, StoredState, assign, prepare_segments,
};
use shared::http::input::batch;
use shared::http::{Problem, Request, Response, body, caller::Caller, response};
use std::collections::HashMap;
use std::sync::Arc;

/// Assignments written at once.
const AT_ONCE: usize = 16;

#[derive(Serialize)]
struct AssignUserResponse {
    user_id: UserId,
    /// In the order of the names, or by id.
    assignments: Vec<AssignmentResponse>,
}

/// Returns the user's assignments, and stores those that do not exist. It reads all assignments of the user in one query.
///
/// # Errors
/// 422 with all faults of the body, 409 if there are too many running experiments.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let input = batch::assign_user(body::json(&request)?)?;
    let experiments = experiments(&app, input.experiments).await?;
    let all = experiments.iter().map(|experiment| &**experiment);
    let dimensions = batch::dimensions_in(&input.user, all)?;

    let context = &input.user.context;
    let user_data = app.store().user_data(&context.user_id).await?;
    let erased = user_data.tombstone.is_some();
    prepare_segments(&app, &experiments, context).await?;
    let stored = user_data.assignments.into_iter();
    let mut stored: HashMap<ExperimentId, _> = stored
        .map(|assignment| (assignment.experiment_id.clone(), assignment))
        .collect();
    let calls = experiments
        .iter()
        .zip(dimensions)
        .map(|(experiment, dimensions)| {
            let request = AssignmentRequest {
                experiment,
                context,
                dimensions,
                enroll: input.enroll,
            };
            let assignment = stored.remove(&experiment.id);
            assign(&app, request, StoredState::Known { assignment, erased })
        })
        .collect::<Vec<_>>();
    let calls = stream::iter(calls).buffered(AT_ONCE);
    let assignments = calls.try_collect().await?;

    let body = AssignUserResponse {
        user_id: context.user_id.clone(),
        assignments,
    };
    Ok(response::json(StatusCode::OK, &body))
}

/// The named experiments, or all that are running.
async fn experiments(
    app: &App,
    named: Option<Vec<ExperimentId>>,
) -> Result<Vec<Arc<Experiment>>, Problem> {
    let Some(ids) = named else {
        return match app.running_experiments().await? {
            Some(running) => Ok(running.to_vec()),
            None => Err(too_many()),
        };
    };
    let found = try_join_all(ids.iter().map(|id| app.experiment(id))).await?;
    let unknown = ids.iter().zip(&found).enumerate();
    let unknown: Vec<_> = unknown
        .filter(|(_, (_, found))| found.is_none())
        .map(|(index, (id, _))| batch::unknown_experiment(index, id))
        .collect();
    if unknown.is_empty() {
        Ok(found.into_iter().flatten().collect())
    } else {
        Err(Problem::invalid(unknown))
    }
}

fn too_many() -> Problem {
    let detail = format!(
        "More than {} experiments are running. Name those that you need in `experiments`.",
        limits::MAX_RUNNING_EXPERIMENTS
    );
    Problem::conflict("too_many_running", detail, Vec::new())
}
