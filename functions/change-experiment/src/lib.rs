//! `PATCH /experiments/{id}`: changes an experiment. Concurrent changes are not lost.

use domain::access::Scope;
use domain::change::Misfit;
use domain::launch_check::CheckedExperiment;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::if_match::expected_version;
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, placement, response,
};
use shared::store::experiments::Author;

/// Changes an experiment if it is still at the caller's version.
///
/// # Errors
/// 404, 409 if the experiment's status does not allow the change, 412 if the version is outdated, 422 with all faults,
/// 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let id = params::experiment_id(&request)?;
    let expected = expected_version(&request)?;
    let text = body::json(&request)?;
    let names_segments = input::segment::names_segments(text);
    let catalog = app.store().catalog_with(names_segments).await?;
    let change = input::change::read(text, &catalog.graph())?;

    let found = app.store().definition(&id, true).await?;
    let (before, digest) = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    if expected.is_some_and(|version| version != before.version) {
        return Err(Problem::stale("experiment", before.version));
    }
    input::change::check_not_empty(&change)?;
    let reason = change.reason.clone();
    let author = Author {
        by: &caller.token_id,
        reason: reason.as_deref(),
    };
    let after = change.apply(&before, app.now()).map_err(misfits)?;
    input::change::check_names(&after)?;
    let changed = placement::change(&app, &before, after, &digest, author, catalog).await?;
    let after = changed.ok_or_else(|| Problem::stale("experiment", before.version + 1))?;

    Ok(response::with_version(
        response::json(StatusCode::OK, &CheckedExperiment::new(&after)),
        after.version,
    ))
}

fn misfits(misfits: Vec<Misfit>) -> Problem {
    let faults: Vec<Fault> = misfits
        .into_iter()
        .map(|misfit| Fault::at(format!("/{}", misfit.field), misfit.why))
        .collect();
    let detail = match faults.as_slice() {
        [only] => only.detail.clone(),
        _ => "The current state of the experiment does not allow the change; see `errors`."
            .to_owned(),
    };
    let code = faults.first().map_or("conflict", |fault| fault.code);
    Problem::conflict(code, detail, faults)
}
