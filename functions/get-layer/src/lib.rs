//! `GET /layers/{id}`: returns a layer, with the ranges of its experiments and what is free.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::layer::LayerResponse;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

/// Returns a layer, with its version as `ETag`.
///
/// # Errors
/// 404 if there is none.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::layer_id(&request)?;
    let found = app.store().layer(&id).await?;
    let layer = found.ok_or_else(|| Problem::unknown_layer(id.as_str()))?;
    let response = response::json(StatusCode::OK, &LayerResponse::new(&layer, app.now()));
    Ok(response::with_version(response, layer.version))
}
