//! `DELETE /layers/{id}`: deletes a layer that no experiment uses.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::layer::{self, LayerResponse};
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::StoreError;
use shared::store::experiments::Author;

/// Deletes a layer.
///
/// # Errors
/// 404 if there is none, 409 while an experiment has a range of it or had one a moment ago, 503 if it changes at the same
/// moment.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let id = params::layer_id(&request)?;
    let found = app.store().layer(&id).await?;
    let layer = found.ok_or_else(|| Problem::unknown_layer(id.as_str()))?;
    let now = app.now();
    layer::check_unused(&layer, now)?;

    let author = Author {
        by: &caller.token_id,
        reason: None,
    };
    if !app.store().delete_layer(&layer, now, author).await? {
        return Err(StoreError::Contended("the layer".to_owned()).into());
    }
    let body = LayerResponse::new(&layer, now);
    Ok(response::json(StatusCode::OK, &body))
}
