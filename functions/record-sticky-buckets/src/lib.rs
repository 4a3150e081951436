//! `POST /sticky/{client_key}`: stores assignments of a sticky-bucket document of GrowthBook's SDKs.

mod claims;

use claims::Outcome;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::input::sticky_buckets;
use shared::http::{Problem, Request, Response, body, client_key, response};
use std::collections::BTreeMap;

#[derive(Serialize)]
struct RecordedResponse {
    assignments: BTreeMap<String, Outcome>,
}

/// Stores each claimed assignment that equals the one that the rules give the user. A stored assignment stays, and a claim of
/// another variant stores nothing.
///
/// # Errors
/// 401 if there is no such key, 403 if it may not be used on this page, 422 with all faults of the body, 429 if the budget of
/// the key is used up; if the database fails, a repeat is safe.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let key = client_key::from_path(&app, &request).await?;
    let sent = sticky_buckets::read(body::json_as_text(&request)?)?;
    client_key::spend(&app, &key, sent.claims.len().max(1)).await?;

    let assignments = claims::check(&app, &key, sent).await?;

    claims::log(&key, &assignments);
    let response = response::json(StatusCode::OK, &RecordedResponse { assignments });
    Ok(response::with_cors(response, &request, &key))
}
