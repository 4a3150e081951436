//! Creating, changing and deleting segments.

use super::{Done, Typed, lines, set, text_or_null, version};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::pages::segments;
use crate::text::text;
use crate::visit::segment;
use serde_json::{Value, json};

/// Creates a segment.
///
/// # Errors
/// Never: what the API says is shown above the form.
pub(crate) async fn create(desk: Desk<'_>) -> Result<Done, Failure> {
    match created(desk).await {
        Ok(segment_id) => Ok(Done::At(format!("segments/{segment_id}?done=created"))),
        Err(failure) => Ok(Done::again(
            segments::create(desk, Some(&failure)),
            &failure,
        )),
    }
}

async fn created(desk: Desk<'_>) -> Result<String, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let mut body = json!({"id": field("id"), "name": field("name")});
    set(&mut body, "description", field("description"));
    if field("kind") == "list" {
        body["ids"] = lines(field("ids"));
        set(&mut body, "attribute", field("attribute"));
    } else {
        body["condition"] = typed.json("/condition", field("condition"));
    }
    let call = Call::new("POST", "/segments", &[]).body(typed.check(body)?);
    let created = desk.api.call(create_segment::handle, call).await?;
    Ok(segment(text(&created["id"])))
}

/// Changes a segment.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(desk: Desk<'_>, id: &str) -> Result<Done, Failure> {
    match changed(desk, id).await {
        Ok(_) => Ok(Done::At(format!("segments/{}?done=saved", segment(id)))),
        Err(failure) => {
            let page = segments::edit(desk, id, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

async fn changed(desk: Desk<'_>, id: &str) -> Result<Value, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let mut body =
        json!({"name": field("name"), "description": text_or_null(field("description"))});
    set(&mut body, "reason", field("reason"));
    if desk.visit.has_field("condition") {
        body["condition"] = typed.json("/condition", field("condition"));
    }
    let (add, remove) = (field("add"), field("remove"));
    if !add.is_empty() || !remove.is_empty() {
        body["ids"] = json!({"add": lines(add), "remove": lines(remove)});
    }
    let call = Call::new("PATCH", "/segments/{id}", &[id]);
    let call = call.body(typed.check(body)?).of_version(version(desk));
    desk.api.call(change_segment::handle, call).await
}

/// Deletes a segment.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn delete(desk: Desk<'_>, id: &str) -> Result<Done, Failure> {
    let call = Call::new("DELETE", "/segments/{id}", &[id]).of_version(version(desk));
    match desk.api.call(delete_segment::handle, call).await {
        Ok(_) => Ok(Done::At("segments?done=deleted".to_owned())),
        Err(failure) => {
            let page = segments::delete(desk, id, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}
