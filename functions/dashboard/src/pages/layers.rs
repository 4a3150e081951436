//! Layers: the list, one layer with its experiments, and its forms.

use super::catalog::{Deletion, Listing, PAGE, elements, one, page_of};
use crate::api::{Call, Failure};
use crate::desk::{Desk, cursor};
use crate::form::{Field, Form, buttons};
use crate::layout::Page;
use crate::text::{list, name, percentage, text, time, words};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

const LISTING: Listing<'static> = Listing {
    page: "layers",
    folder: "layers",
    new: ("new-layer", "New layer"),
    about: "Experiments of one layer have no users in common.",
    none: "There is no layer.",
    columns: &["Layer", "Experiments", "Free", "Changed"],
};

/// The list.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn list_page(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/layers", PAGE);
    let found = desk.api.call(list_layers::handle, call).await?;
    let cells = |layer: &Value| {
        vec![
            parts(desk, layer, false),
            percentage(&layer["free_percent"]),
            time(&layer["updated_at"]),
        ]
    };
    let content = LISTING.show(desk, elements(&found, "layers"), cells, cursor(&found));
    Ok(Page::new("Layers", content))
}

/// The experiments of a layer with their parts, and with links to the forms that change the parts.
fn parts(desk: Desk<'_>, layer: &Value, with_forms: bool) -> Markup {
    html! {
        ul.plain { @for one in list(&layer["experiments"]) {
            @let id = text(&one["experiment_id"]);
            @let page = format!("experiments/{}", segment(id));
            li {
                a href=(desk.visit.link(&page)) { (name(id)) } " " (percentage(&one["percent"]))
                @if with_forms && desk.signed.may(Scope::Manage) { " " a href=(desk.visit.link(&format!("{page}/change/layer"))) { "change the part of " (name(id)) } }
            }
        } }
    }
}

async fn read(desk: Desk<'_>, id: &str) -> Result<Value, Failure> {
    let call = Call::new("GET", "/layers/{id}", &[id]);
    desk.api.call(get_layer::handle, call).await
}

/// One layer.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn show(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let layer = read(desk, id).await?;
    let fact =
        html! { (percentage(&layer["free_percent"])) " free, for " (words(&layer["unit"])) " ids" };
    let is_empty = list(&layer["experiments"]).is_empty();
    let content = html! {
        h2 { "Experiments" }
        @if is_empty { p.empty { "No experiment has a part of it. An experiment gets one at its creation, or while it is a draft." } }
        (parts(desk, &layer, true))
        @if !list(&layer["freed_ranges"]).is_empty() {
            p.faint { "Parts that experiments gave back can be used again after " (list(&layer["freed_ranges"]).iter().map(|freed| text(&freed["free_from"])).max().map_or_else(|| html! { "some minutes" }, |last| time(&Value::String(last.to_owned())))) "." }
        }
    };
    let content = one(desk, &layer, &fact, "layers", &content);
    Ok(Page::new(text(&layer["name"]), content).below("layers", "Layers"))
}

/// The form of a new layer.
pub(crate) fn create(desk: Desk<'_>, failure: Option<&Failure>) -> Page {
    let form = Form::new(desk, failure);
    let content = html! {
        (form.faults())
        (form.framed(&Value::Null, html! {
            (form.texts(&Value::Null))
            (form.line(Field { id: "id", label: "Id", pointer: "{id}", required: true, ..Field::default() }))
            (form.line(Field { id: "unit", label: "Unit (optional)", pointer: "/unit", help: "Users, unless it is another id, such as `account`. Without one, the first experiment decides it.", ..Field::default() }))
            (buttons(desk, "Create", false, "layers"))
        }))
    };
    Page::new("New layer", content).below("layers", "Layers")
}

/// The form that changes the texts of a layer.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(
    desk: Desk<'_>,
    id: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let layer = read(desk, id).await?;
    let form = Form::new(desk, failure);
    let above = format!("layers/{}", segment(id));
    let content = html! {
        p { "The parts of the experiments are changed on their own pages." }
        (form.faults())
        (form.framed(&layer["version"], html! {
            (form.texts(&layer))
            (form.reason())
            (buttons(desk, "Save", false, &above))
        }))
    };
    let page = Page::new("Change the layer", content).below("layers", "Layers");
    Ok(page.below(above, text(&layer["name"])))
}

/// The page that says what deleting a layer does, with the form that does it.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn delete(
    desk: Desk<'_>,
    id: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let layer = read(desk, id).await?;
    let above = format!("layers/{}", segment(id));
    let is_used = !list(&layer["experiments"]).is_empty();
    let deletion = Deletion {
        definition: &layer,
        version: &Value::Null,
        above: &above,
        used: is_used.then(|| html! {
            p.note.warn { "Experiments have a part of this layer, so it cannot be deleted. Stop them first, or archive them if they are drafts." }
            (parts(desk, &layer, false))
        }),
        effect: "No experiment uses it. There is no way back.",
    };
    let content = deletion.show(desk, failure);
    let page = Page::new("Delete the layer", content).below("layers", "Layers");
    Ok(page.below(above, text(&layer["name"])))
}
