//! `DELETE /client-keys/{id}`: revokes a client key.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, client_key, response};

/// Revokes a client key. A repeat returns the same response.
///
/// # Errors
/// 404 if there is no such key.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let id = client_key::id_in_path(&request)?;

    let revoked = app.store().revoke_client_key(&id, app.now()).await?;

    let revoked = revoked.ok_or_else(|| client_key::unknown(id.as_str()))?;
    Ok(response::json(StatusCode::OK, &revoked))
}
