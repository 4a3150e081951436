//! `DELETE /flags/{key}`: deletes an archived feature flag.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::FlagCatalog;
use shared::http::if_match::expected_version;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::catalog::CatalogTries;
use shared::store::experiments::Author;
use shared::store::flags::FlagWrite;

/// Deletes a flag that is archived, if it is still at the caller's version. Its audit trail is kept.
///
/// # Errors
/// 404, 409 if it is not archived or a flag needs it, 412 if the version is outdated, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let key = params::flag_key(&request)?;
    let expected = expected_version(&request)?;

    let author = Author {
        by: &caller.token_id,
        reason: None,
    };
    let mut tries = CatalogTries::default();
    loop {
        let flags = FlagCatalog::read(&app).await?;
        let found = flags.flag(&key);
        let flag = &found
            .ok_or_else(|| Problem::unknown_flag(key.as_str()))?
            .flag;
        if expected.is_some_and(|version| version != flag.version) {
            return Err(Problem::stale("flag", flag.version));
        }
        if !flag.archived {
            let detail = format!(
                "The flag `{key}` is not archived, so applications may still evaluate it. Archive it first: `PATCH /flags/{key}` \
                 with `{{\"archived\": true}}`."
            );
            return Err(Problem::conflict("not_archived", detail, Vec::new()));
        }
        if let Some(user) = flags.users_of(&key).first() {
            let detail =
                format!("The flag `{user}` needs `{key}`. Remove it from its prerequisites first.");
            return Err(Problem::conflict("flag_in_use", detail, Vec::new()));
        }
        match flags.delete(&app, flag, author).await? {
            FlagWrite::Written => return Ok(response::json(StatusCode::OK, flag)),
            FlagWrite::CatalogChanged => tries.next().await?,
        }
    }
}
