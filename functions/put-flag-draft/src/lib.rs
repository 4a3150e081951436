//! `PUT /flags/{key}/draft`: saves a change of a feature flag that is not in use before it is published.

use domain::access::Scope;
use domain::flag::FlagDraft;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::{DraftResponse, FlagCatalog};
use shared::http::if_match::expected_version;
use shared::http::input::flag::read_change;
use shared::http::{Problem, Request, Response, body, caller::Caller, params, response};

/// Saves a draft in place of another one. It is checked as a change is, and again when it is published. A draft that changes
/// nothing takes the other one away.
///
/// # Errors
/// 404, 412 if the version of the flag is outdated, 422 with all faults, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let key = params::flag_key(&request)?;
    let expected = expected_version(&request)?;
    let change = read_change(body::json(&request)?, &key)?;

    let flags = FlagCatalog::read(&app).await?;
    let stored = flags.flag(&key);
    let before = &stored
        .ok_or_else(|| Problem::unknown_flag(key.as_str()))?
        .flag;
    if expected.is_some_and(|version| version != before.version) {
        return Err(Problem::stale("flag", before.version));
    }
    let now = app.now();
    let after = change.apply(before, now);
    flags.check(&app, &after).await?;
    let author = (caller.token_id.as_str(), change.reason.as_deref());
    let draft = FlagDraft::new(before, after, author, now);
    app.store().put_flag_draft(&draft).await?;

    let number = draft.number;
    let saved = response::json(StatusCode::OK, &DraftResponse::of(draft, before)?);
    Ok(response::with_version(saved, number))
}
