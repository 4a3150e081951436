//! `GET /experiments/{id}/assignment/{user_id}`: the variant of a user.

use domain::access::Scope;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::evaluation::{Evaluation, EvaluationReason, NotEnrolled, evaluate, released};
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, params, response};
use shared::store::FirstWrite;

/// Returns the user's assignment, and stores it if there is none. Of concurrent requests the first write wins.
///
/// # Errors
/// 404 if there is no such experiment; 400 with all faults of the user id and of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let id = params::experiment_id(&request)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let (context, attributes) = input::assignment::read(&request, &experiment)?;

    if let Some(evaluation) = released(&experiment) {
        return Ok(not_enrolled(&experiment, context.user_id, evaluation));
    }
    if let Some(existing) = app.store().assignment(&context.user_id, &id).await? {
        return Ok(enrolled(existing, Enrolled::Existing));
    }
    let assigned_at = app.now();
    let evaluation = evaluate(&experiment, &context, assigned_at);
    let user = context.user_id;
    if evaluation.reason != EvaluationReason::Split {
        return Ok(not_enrolled(&experiment, user, evaluation));
    }
    if app.store().tombstone(&user).await?.is_some() {
        let erased = Evaluation::not_enrolled(&experiment, NotEnrolled::Erased);
        return Ok(not_enrolled(&experiment, user, erased));
    }
    let assignment = Assignment {
        user_id: user,
        experiment_id: id,
        variant: evaluation.variant.clone(),
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
        FirstWrite::Stored => Ok(enrolled(assignment, Enrolled::New)),
        FirstWrite::Existing(earlier) => Ok(enrolled(earlier, Enrolled::Existing)),
    }
}

/// Whether an enrolled user's assignment was stored by this request or earlier.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Enrolled {
    New,
    Existing,
}

#[derive(Serialize)]
struct AssignmentResponse<R: Serialize> {
    experiment_id: ExperimentId,
    user_id: UserId,
    variant: VariantKey,
    enrolled: bool,
    reason: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_at: Option<Timestamp>,
    experiment_version: u64,
    /// The stored attributes. The query of a later request does not change them.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
}

fn enrolled(assignment: Assignment, reason: Enrolled) -> Response {
    let body = AssignmentResponse {
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

/// Nothing is stored of a user that is not enrolled.
fn not_enrolled(experiment: &Experiment, user_id: UserId, evaluation: Evaluation<'_>) -> Response {
    let body = AssignmentResponse {
        experiment_id: experiment.id.clone(),
        user_id,
        variant: evaluation.variant.clone(),
        enrolled: false,
        reason: evaluation.reason,
        assigned_at: None,
        experiment_version: experiment.version,
        attributes: Attributes::new(),
    };
    response::json(StatusCode::OK, &body)
}
