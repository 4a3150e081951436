//! `PATCH /experiments/{id}`: changes an experiment. Concurrent changes are not lost.

use domain::access::Scope;
use domain::change::Misfit;
use domain::launch_check::CheckedExperiment;
use lambda_http::http::StatusCode;
use lambda_http::http::header::IF_MATCH;
use shared::app::App;
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, response,
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
    let version = expected_version(&request)?;
    let change = input::change::read(body::json(&request)?)?;

    let found = app.store().definition(&id, true).await?;
    let (before, digest) = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    if version.is_some_and(|version| version != before.version) {
        return Err(Problem::stale(before.version));
    }
    input::change::check_not_empty(&change)?;
    let reason = change.reason.clone();
    let author = Author {
        by: &caller.token_id,
        reason: reason.as_deref(),
    };
    let after = change.apply(&before, app.now()).map_err(misfits)?;
    if !app
        .store()
        .change_experiment(&before, &after, &digest, author)
        .await?
    {
        return Err(Problem::stale(after.version));
    }

    Ok(response::with_version(
        response::json(StatusCode::OK, &CheckedExperiment::new(&after)),
        after.version,
    ))
}

/// The version in `If-Match`; `None` for `*`, which allows any version.
fn expected_version(request: &Request) -> Result<Option<u64>, Problem> {
    let mut headers = request.headers().get_all(IF_MATCH).iter();
    let header = headers.next().ok_or_else(Problem::precondition_required)?;
    if headers.next().is_some() {
        let detail = "The request has more than one `If-Match`. Send one of them.";
        return Err(Problem::malformed("bad_if_match", detail));
    }
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::malformed(
            "bad_if_match",
            "`If-Match` must be the `ETag` of an experiment, such as \"3\".",
        )
    })
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
