//! `GET /layers`: lists layers, newest first, in pages.

use domain::access::Scope;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::layer::LayerSummary;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;
use shared::store::keys;

#[derive(Serialize)]
struct ListLayersResponse<'l> {
    layers: Vec<LayerSummary<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists layers.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let mut query = params::Query::read(&request, &["limit", "cursor"]);
    let (limit, before) = query.page(keys::is_created_at_id);
    query.finish()?;

    let page = app.store().layers(limit, before.as_deref()).await?;
    let now = app.now();
    let layers = page.layers.iter();
    let body = ListLayersResponse {
        layers: layers.map(|layer| LayerSummary::new(layer, now)).collect(),
        next_cursor: page.next.map(|next| Cursor(next).encode()),
    };
    Ok(response::json(StatusCode::OK, &body))
}
