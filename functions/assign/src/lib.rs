//! `GET /experiments/{id}/assignment/{user_id}`: which variant the user gets, now and for good.

use domain::access::Scope;
use domain::assignment::{Assignment, AssignmentSource, Attributes, NotEnrolled, decide};
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, params, response};
use shared::store::FirstWrite;

/// Finds or makes the user's assignment. The first stored one wins, under any race.
///
/// # Errors
/// 404 if there is no such experiment; 400 with all faults of the user's id and of the query, which takes the
/// experiment's dimensions.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let id = params::experiment_id(&request)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let (user, attributes) = input::assignment::read(&request, &experiment)?;

    if let Some(existing) = app.store().assignment(&user, &id).await? {
        return Ok(enrolled(existing, "existing"));
    }
    let assigned_at = app.now();
    let variant = match decide(&experiment, &user, assigned_at) {
        Err(reason) => return Ok(not_enrolled(&experiment, user, reason)),
        Ok(variant) => variant.clone(),
    };
    if app.store().tombstone(&user).await?.is_some() {
        return Ok(not_enrolled(&experiment, user, NotEnrolled::Erased));
    }
    let assignment = Assignment {
        user_id: user,
        experiment_id: id,
        variant,
        assigned_at,
        source: AssignmentSource::Hash,
        experiment_version: experiment.version,
        attributes,
    };

    match app
        .store()
        .assign_first(&assignment, experiment.shards)
        .await?
    {
        FirstWrite::Stored => Ok(enrolled(assignment, "new")),
        FirstWrite::Existing(winner) => Ok(enrolled(winner, "existing")),
    }
}

#[derive(Serialize)]
struct Answer<R: Serialize> {
    experiment_id: ExperimentId,
    user_id: UserId,
    variant: VariantKey,
    enrolled: bool,
    reason: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_at: Option<Timestamp>,
    experiment_version: u64,
    /// What is stored, whatever this call says.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
}

fn enrolled(assignment: Assignment, reason: &'static str) -> Response {
    let body = Answer {
        experiment_id: assignment.experiment_id,
        user_id: assignment.user_id,
        variant: assignment.variant,
        enrolled: true,
        reason,
        assigned_at: Some(assignment.assigned_at),
        experiment_version: assignment.experiment_version,
        attributes: assignment.attributes,
    };
    response::json(StatusCode::OK, &body)
}

/// Who is not in the experiment sees what everybody saw before it: the control. Nothing is stored.
fn not_enrolled(experiment: &Experiment, user_id: UserId, reason: NotEnrolled) -> Response {
    let body = Answer {
        experiment_id: experiment.id.clone(),
        user_id,
        variant: experiment.variants.control().key.clone(),
        enrolled: false,
        reason,
        assigned_at: None,
        experiment_version: experiment.version,
        attributes: Attributes::new(),
    };
    response::json(StatusCode::OK, &body)
}
