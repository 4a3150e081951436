//! `GET /flags/{key}`: returns a feature flag.

use domain::access::Scope;
use domain::flag::{Flag, StaleFlag};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    flag: Flag,
    /// The environments in which the flag can be removed from the code.
    stale: Vec<StaleFlag>,
}

/// Returns a flag, with its version as `ETag`.
///
/// # Errors
/// 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let key = params::flag_key(&request)?;

    let found = app.store().flag(&key).await?;
    let flag = found
        .ok_or_else(|| Problem::unknown_flag(key.as_str()))?
        .flag;

    let (version, stale) = (flag.version, flag.stale_in(app.now()));
    let answer = response::json(StatusCode::OK, &Answer { flag, stale });
    Ok(response::with_version(answer, version))
}
