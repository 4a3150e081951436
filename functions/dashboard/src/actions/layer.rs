//! Creating, changing and deleting layers, and creating holdouts.

use super::{Done, number, set, version};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::pages::{holdouts, layers};
use crate::text::text;
use crate::visit::segment;
use serde_json::json;

/// Creates a layer.
///
/// # Errors
/// Never: what the API says is shown above the form.
pub(crate) async fn create(desk: Desk<'_>) -> Result<Done, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut body = json!({"name": field("name")});
    set(&mut body, "description", field("description"));
    set(&mut body, "unit", field("unit"));
    // Without a version, a layer that exists already is not changed.
    let call = Call::new("PUT", "/layers/{id}", &[field("id")]).body(body);
    match desk.api.call(put_layer::handle, call).await {
        Ok(layer) => {
            let id = segment(text(&layer["id"]));
            Ok(Done::At(format!("layers/{id}?done=created")))
        }
        Err(failure) => Ok(Done::again(layers::create(desk, Some(&failure)), &failure)),
    }
}

/// Changes the texts of a layer.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(desk: Desk<'_>, id: &str) -> Result<Done, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut body = json!({"name": field("name")});
    set(&mut body, "description", field("description"));
    set(&mut body, "reason", field("reason"));
    let call = Call::new("PUT", "/layers/{id}", &[id]).body(body);
    let call = call.of_version(version(desk));
    match desk.api.call(put_layer::handle, call).await {
        Ok(_) => Ok(Done::At(format!("layers/{}?done=saved", segment(id)))),
        Err(failure) => {
            let page = layers::edit(desk, id, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

/// Deletes a layer.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn delete(desk: Desk<'_>, id: &str) -> Result<Done, Failure> {
    let call = Call::new("DELETE", "/layers/{id}", &[id]);
    match desk.api.call(delete_layer::handle, call).await {
        Ok(_) => Ok(Done::At("layers?done=deleted".to_owned())),
        Err(failure) => {
            let page = layers::delete(desk, id, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

/// Creates a holdout.
///
/// # Errors
/// Never: what the API says is shown above the form.
pub(crate) async fn create_holdout(desk: Desk<'_>) -> Result<Done, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut holdout = json!({"percent": number(field("percent"))});
    set(&mut holdout, "layer", field("layer"));
    let metric = json!({"key": field("metric"), "kind": field("kind"), "event_type": field("event_type"), "role": "primary"});
    let mut body = json!({"name": field("name"), "holdout": holdout, "metrics": [metric], "status": field("status")});
    set(&mut body, "id", field("id"));
    let call = Call::new("POST", "/experiments", &[]).body(body);
    match desk.api.call(create_experiment::handle, call).await {
        Ok(created) => {
            let id = segment(text(&created["id"]));
            Ok(Done::At(format!("experiments/{id}")))
        }
        Err(failure) => Ok(Done::again(
            holdouts::create(desk, Some(&failure)),
            &failure,
        )),
    }
}
