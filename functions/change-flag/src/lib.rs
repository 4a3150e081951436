//! `PATCH /flags/{key}`: changes a feature flag.

use domain::access::Scope;
use domain::flag::Flag;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::{self, Approval};
use shared::http::if_match::expected_version;
use shared::http::input::flag::read_change;
use shared::http::{Problem, Request, Response, body, caller::Caller, params};
use shared::store::experiments::Author;

/// Changes a flag if it is still at the caller's version. A change that changes nothing makes no version, so a repeat is safe.
///
/// # Errors
/// 404, 409 if the flag requires an approval, 412 if the version is outdated, 422 with all faults, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let key = params::flag_key(&request)?;
    let expected = expected_version(&request)?;
    let change = read_change(body::json(&request)?, &key)?;

    let author = Author {
        by: &caller.token_id,
        reason: change.reason.as_deref(),
    };
    let next = |before: &Flag| change.apply(before, app.now());
    let changed = flag::change(&app, &key, expected, (author, Approval::None), next).await?;
    Ok(flag::answer(StatusCode::OK, &changed))
}
