//! `GET /client-keys`: lists client keys by id, in pages.

use domain::access::Scope;
use domain::client_key::ClientKey;
use domain::ids::ClientKeyId;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;

#[derive(Serialize)]
struct List {
    client_keys: Vec<ClientKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists client keys, with those that were revoked in the last days.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, after) = query.page(|text| ClientKeyId::parse(text).is_ok());
    query.finish()?;

    // One more shows whether there is another page.
    let after = after.as_deref().unwrap_or_default();
    let found = app.store().client_keys_after(after, limit + 1, app.now());
    let mut client_keys = found.await?;

    let more = client_keys.len() > limit;
    client_keys.truncate(limit);
    let last = client_keys.last().filter(|_| more);
    let next_cursor = last.map(|last| Cursor(last.id.to_string()).encode());
    let list = List {
        client_keys,
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &list))
}
