//! `PUT /layers/{id}`: creates a layer, or changes its texts.

use domain::access::Scope;
use domain::layer::Layer;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::clock;
use shared::http::if_match::{self, IfMatch};
use shared::http::layer::LayerResponse;
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, response,
};
use shared::store::experiments::Author;

/// Creates a layer if the request has no `If-Match`. Otherwise it changes the texts of the layer in this version.
///
/// # Errors
/// 400 for an invalid id, 404 if the layer to change does not exist, 409 if it has another unit, 412 if the version is
/// outdated, 422 with all faults of the body, 428 if the layer exists and there is no `If-Match`.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let id = params::new_layer_id(&request)?;
    let expected = if_match::read(&request)?;
    let input = input::layer::read(body::json(&request)?)?;

    let now = app.now();
    let before = app.store().layer(&id).await?;
    let (status, layer) = match (before, expected) {
        (None, None) => {
            let layer = Layer::new(
                id,
                clock::random_seed()?,
                input.name,
                input.description,
                now,
            );
            (StatusCode::CREATED, layer)
        }
        (None, Some(_)) => return Err(Problem::unknown_layer(id.as_str())),
        (Some(_), None) => return Err(Problem::precondition_required()),
        (Some(before), Some(IfMatch::Version(version))) if version != before.version => {
            return Err(Problem::stale("layer", before.version));
        }
        (Some(before), Some(_)) => {
            let layer = before.with_texts(input.name, input.description, now);
            (StatusCode::OK, layer)
        }
    };
    let layer = layer.with_unit(input.unit).map_err(|why| {
        let detail = why.detail.clone();
        Problem::conflict(why.code, detail, vec![Fault::at("/unit".to_owned(), why)])
    })?;
    let author = Author {
        by: &caller.token_id,
        reason: input.reason.as_deref(),
    };
    if !app.store().write_layer(&layer, author).await? {
        return Err(Problem::stale("layer", layer.version));
    }

    let response = response::json(status, &LayerResponse::new(&layer, now));
    Ok(response::with_version(response, layer.version))
}
