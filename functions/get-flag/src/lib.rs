//! `GET /flags/{key}`: returns a feature flag.

use domain::access::Scope;
use domain::flag::{Flag, FlagDraft, StaleFlag};
use futures::try_join;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::flag::{DraftResponse, LastEvaluated, last_evaluated};
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    flag: Flag,
    /// The environments in which the flag can be removed from the code.
    stale: Vec<StaleFlag>,
    #[serde(skip_serializing_if = "LastEvaluated::is_empty")]
    last_evaluated: LastEvaluated,
    /// The change that can be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<DraftResponse>,
}

/// Returns a flag, with its version as `ETag`, and with its draft.
///
/// # Errors
/// 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let key = params::flag_key(&request)?;

    let store = app.store();
    let days = store.flag_evaluations(Some(&key));
    let (found, draft, days) = try_join!(store.flag(&key), store.flag_draft(&key), days)?;
    let flag = found
        .ok_or_else(|| Problem::unknown_flag(key.as_str()))?
        .flag;

    let draft = draft.filter(|draft| draft.is_open(&flag));
    let draft = draft.map(|draft: FlagDraft| DraftResponse::of(draft, &flag));
    let (version, stale) = (flag.version, flag.stale_in(app.now()));
    let answer = Answer {
        draft: draft.transpose()?,
        last_evaluated: days.get(&key).map(last_evaluated).unwrap_or_default(),
        flag,
        stale,
    };
    let answer = response::json(StatusCode::OK, &answer);
    Ok(response::with_version(answer, version))
}
