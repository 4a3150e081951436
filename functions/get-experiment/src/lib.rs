//! `GET /experiments/{id}`: returns an experiment's definition.

use domain::access::Scope;
use domain::launch_check::CheckedExperiment;
use domain::notification::Notification;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::params::Query;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

/// The definition, with its last notifications if the caller asks for them.
#[derive(Serialize)]
struct ExperimentResponse<'e> {
    #[serde(flatten)]
    experiment: CheckedExperiment<'e>,
    /// The newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<Vec<Notification>>,
}

/// Returns an experiment, with its version as `ETag`.
///
/// # Errors
/// 400 with all faults of the query, 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let mut query = Query::read(&request, &["notifications"]);
    let with_notifications = query.optional("notifications", params::boolean);
    query.finish()?;

    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let notifications = match with_notifications {
        Some(true) => Some(app.store().notification_state(&id, true).await?.state.last),
        Some(false) | None => None,
    };

    let answer = ExperimentResponse {
        experiment: CheckedExperiment::new(&experiment),
        notifications,
    };
    Ok(response::with_version(
        response::json(StatusCode::OK, &answer),
        experiment.version,
    ))
}
