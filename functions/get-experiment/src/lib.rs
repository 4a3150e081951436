//! `GET /experiments/{id}`: returns an experiment's definition.

use domain::access::Scope;
use domain::launch_check::CheckedExperiment;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

/// Returns an experiment, with its version as `ETag`.
///
/// # Errors
/// 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    Ok(response::with_version(
        response::json(StatusCode::OK, &CheckedExperiment::new(&experiment)),
        experiment.version,
    ))
}
