//! `POST /flags/{key}/revert`: makes an earlier version of a feature flag the current one.

use domain::access::Scope;
use domain::flag::Flag;
use domain::ids::FlagKey;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::{self, Approval, FlagCatalog};
use shared::http::if_match::expected_version;
use shared::http::input::flag::read_revert;
use shared::http::{Fault, Problem, Request, Response, body, caller::Caller, params};
use shared::store::experiments::Author;

/// Makes a new version with the content of an earlier one. It needs no approval, because this version was in use before.
///
/// # Errors
/// 404, 412 if the version is outdated, 422 if there is no such version or its content is not valid any more, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let key = params::flag_key(&request)?;
    let expected = expected_version(&request)?;
    let revert = read_revert(body::json(&request)?)?;

    let earlier = version(&app, &key, revert.version).await?;
    let reason = revert.reason_or_default();
    let author = Author {
        by: &caller.token_id,
        reason: Some(&reason),
    };
    let next = |before: &Flag| before.reverted_to(&earlier, app.now());
    let changed = flag::change(&app, &key, expected, (author, Approval::Given), next).await?;
    Ok(flag::answer(StatusCode::OK, &changed))
}

async fn version(app: &App, key: &FlagKey, version: u64) -> Result<Flag, Problem> {
    let records = app
        .store()
        .flag_audit_records(key, 1, Some(version.saturating_add(1)));
    let found = records.await?.into_iter().next();
    let found = found.filter(|record| record.definition.version == version);
    if let Some(record) = found {
        return Ok(record.definition);
    }
    if FlagCatalog::read(app).await?.flag(key).is_none() {
        return Err(Problem::unknown_flag(key.as_str()));
    }
    let detail = format!(
        "There is no version {version} of this flag. `GET /flags/{key}/history` lists all of them."
    );
    let invalid = domain::Invalid::new("unknown_version", detail);
    Err(Problem::invalid(vec![Fault::at("/version", invalid)]))
}
